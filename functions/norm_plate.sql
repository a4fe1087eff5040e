select {{ norm_plate('raw_value') }}
