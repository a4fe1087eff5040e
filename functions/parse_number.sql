select
    case unit
        when 'litres' then {{ parse_number('raw_value', 'litres') }}
        when 'kes' then {{ parse_number('raw_value', 'kes') }}
        when 'km' then {{ parse_number('raw_value', 'km') }}
    end
