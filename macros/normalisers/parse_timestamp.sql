{#- The export's own form (2026-11-01T07:42:00.000Z) first, by position and without a regular expression; the 31st
    and all the rest are read by date_and_time. Only immutable functions: neither TimeZone nor DateStyle of the
    session has a say. -#}
{% macro parse_timestamp(value) -%}
    case
        when
            {{ value }} like '20__-__-__T__:__:__.___Z'
            and translate({{ value }}, '0123456789', '') = '--T::.Z'
            and substr({{ value }}, 6, 2) collate "C" between '01' and '12'
            and substr({{ value }}, 9, 2) collate "C" between '01' and '28'
            and substr({{ value }}, 12, 2) collate "C" <= '23'
            and substr({{ value }}, 15, 2) collate "C" <= '59'
            and substr({{ value }}, 18, 2) collate "C" <= '59'
            then
                make_timestamp(
                    cast(left({{ value }}, 4) as integer),
                    cast(substr({{ value }}, 6, 2) as integer),
                    cast(substr({{ value }}, 9, 2) as integer),
                    cast(substr({{ value }}, 12, 2) as integer),
                    cast(substr({{ value }}, 15, 2) as integer),
                    cast(substr({{ value }}, 18, 6) as double precision)
                ) at time zone interval '0'
        when length({{ value }}) between 6 and 100 then {{ date_and_time(value) }}
    end
{%- endmacro %}


{#- Day first, as written in Kenya; only years 2000 to 2099, as written. A day its month does not have shows by
    the month it would fall in. `limit all` keeps each step computed once. -#}
{% macro date_and_time(value) -%}
    (
        select
            case
                when epoch_seconds is not null
                    then
                        case
                            when epoch_seconds >= 946684800 and epoch_seconds < 4102444800
                                then to_timestamp(cast(epoch_seconds as double precision))
                        end
                when
                    year_number between 2000 and 2099
                    and month_number between 1 and 12
                    and day_number between 1 and 31
                    and extract(month from make_date(year_number, month_number, 1) + (day_number - 1)) = month_number
                    and hour_number between 0 and 24
                    and minute_number <= 59
                    and second_number < 61
                    and (hour_number < 24 or (minute_number = 0 and second_number = 0))
                    then
                        case
                            when offset_minutes is null
                                then
                                    (
                                        make_date(year_number, month_number, 1) + (day_number - 1)
                                        + make_interval(hours => hour_number, mins => minute_number, secs => second_number)
                                    ) at time zone 'Africa/Nairobi'
                            when abs(offset_minutes) < 900
                                then
                                    (
                                        make_date(year_number, month_number, 1) + (day_number - 1)
                                        + make_interval(hours => hour_number, mins => minute_number, secs => second_number)
                                    ) at time zone make_interval(mins => offset_minutes)
                        end
            end
        from (
            select
                epoch / case when epoch >= 100000000000 then 1000 else 1 end as epoch_seconds,
                case length(part[1]) when 2 then 2000 else 0 end + cast(part[1] as integer) as year_number,
                case
                    when part[2] collate "C" < 'a' then cast(part[2] as integer)
                    else (position(left(part[2], 3) in '  janfebmaraprmayjunjulaugsepoctnovdec')) / 3
                end as month_number,
                cast(part[3] as integer) as day_number,
                case
                    when part[7] = 'p' and cast(part[4] as integer) < 12 then cast(part[4] as integer) + 12
                    when part[7] = 'a' and cast(part[4] as integer) = 12 then 0
                    when part[7] = 'a' and cast(part[4] as integer) > 12 then null
                    else coalesce(cast(part[4] as integer), 0)
                end as hour_number,
                coalesce(cast(part[5] as integer), 0) as minute_number,
                coalesce(cast(replace(part[6], ',', '.') as double precision), 0) as second_number,
                case
                    when part[9] is not null
                        then
                            cast(left(part[9], 1) || '1' as integer) * (
                                cast(substr(part[9], 2, 2) as integer) * 60
                                + case
                                    when right(part[9], 2) collate "C" <= '59' or length(part[9]) = 3
                                        then cast(coalesce(nullif(substr(translate(part[9], ':', ''), 4), ''), '0') as integer)
                                    else 900
                                end
                            )
                    when part[8] = 'eat' then 180
                    when part[8] is not null then 0
                end as offset_minutes
            from (
                select
                    cast(
                        substring(typed from '^(?:[0-9]{9,13}(?:[.][0-9]*)?|[0-9](?:[.][0-9]*)?e[+]?(?:[89]|1[012]))$')
                        as numeric
                    ) as epoch,
                    regexp_match(
                        regexp_replace(
                            regexp_replace(
                                typed,
                                '^([0-9]{1,2})(?:st|nd|rd|th)?(?:[-/.]| +)([0-9]{1,2}|[a-z]{3,9})(?:[-/.]|[., ]+)([0-9]{4}|[0-9]{2})(?![0-9])',
                                '\3-\2-\1'
                            ),
                            '^([a-z]{3,9})[. ]+([0-9]{1,2})(?:st|nd|rd|th)?,? +([0-9]{4})(?![0-9])',
                            '\3-\1-\2'
                        ),
                        '^([0-9]{4}|[0-9]{2})[-/. ]([0-9]{1,2}|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6})[-/. ]([0-9]{1,2})(?:(?:t|[ ,]+(?:at )?)([0-9]{1,2})[:.h]([0-9]{2})(?:[:.]([0-9]{2}(?:[.,][0-9]+)?))?)? *(?:([ap])[.]?m[.]?)? *(?:hrs?)? *(z|utc|gmt|eat)?([-+][0-9]{2}(?::?[0-9]{2})?)? *(?:[[(].*)?$'
                    ) as part
                from (
                    select
                        regexp_replace(
                            btrim(translate(lower({{ clean_text(value) }}), e'\t\n\r', '   ')),
                            '^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? +', ''
                        ) as typed
                    limit all
                ) as as_typed
                limit all
            ) as parts
            limit all
        ) as reading
    )
{%- endmacro %}
