select {{ canon_fuel_type('raw_value') }}
