-- The tracker's table as fleetfuel finds it; the tracker owns it, here it is a stand-in.
create schema if not exists tracksolid;
create table if not exists tracksolid.devices (
    imei text primary key,
    vehicle_number text,
    cost_centre text,
    assigned_city text,
    is_active boolean,
    updated_at timestamptz
);
