select {{ parse_number('raw_value') }}
