select {{ parse_timestamp('raw_value') }}
