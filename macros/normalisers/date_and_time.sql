{#- Day first, as written in Kenya; only years 2000 to 2099, as written. Two digits are a year from 2015 to 2049 only:
    others were meant otherwise (`26-11-05`). A day its month does not have shows by
    the month it would fall in. `limit all` keeps each step computed once. The whole is checked by a regular expression
    without captures and then taken apart: all parts captured at once took half a millisecond. -#}
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
                cast(year_text as integer) as year_number,
                case
                    when month_text collate "C" < 'a' then cast(month_text as integer)
                    else (position(left(month_text, 3) in '  janfebmaraprmayjunjulaugsepoctnovdec')) / 3
                end as month_number,
                cast(day_text as integer) as day_number,
                case
                    when half = 'p' and hour_of_clock < 12 then hour_of_clock + 12
                    when half = 'a' and hour_of_clock = 12 then 0
                    when half = 'a' and hour_of_clock > 12 then null
                    else hour_of_clock
                end as hour_number,
                coalesce(cast(substring(clock from '[:.h]([0-9]{2})') as integer), 0) as minute_number,
                coalesce(
                    cast(replace(substring(clock from '[:.h][0-9]{2}[:.](.+)$'), ',', '.') as double precision), 0
                ) as second_number,
                case
                    when utc_offset is not null
                        then
                            cast(left(utc_offset, 1) || '1' as integer) * (
                                cast(substr(utc_offset, 2, 2) as integer) * 60
                                + case
                                    when right(utc_offset, 2) collate "C" <= '59' or length(utc_offset) = 3
                                        then cast(coalesce(nullif(substr(translate(utc_offset, ':', ''), 4), ''), '0') as integer)
                                    else 900
                                end
                            )
                    when time_text ~ 'eat' then 180
                    when time_text ~ 'z|utc|gmt' then 0
                end as offset_minutes
            from (
                select
                    epoch,
                    time_text,
                    split_part(date_text, '-', 1) as year_text,
                    split_part(date_text, '-', 2) as month_text,
                    split_part(date_text, '-', 3) as day_text,
                    clock,
                    coalesce(cast(substring(clock from '^[0-9]+') as integer), 0) as hour_of_clock,
                    substring(time_text from '([ap])[.]?m') as half,
                    substring(time_text from '[-+][0-9:]+$') as utc_offset
                from (
                    select
                        epoch,
                        translate(substring(ordered from {{ date_shape() }}), '/. ', '---') as date_text,
                        btrim(regexp_replace(ordered, {{ date_shape() }}, '')) as time_text,
                        substring(
                            regexp_replace(ordered, {{ date_shape() }}, '')
                            from '[0-9]{1,2}[:.h][0-9]{2}(?:[:.][0-9]{2}(?:[.,][0-9]+)?)?'
                        ) as clock
                    from (
                        select
                            epoch,
                            regexp_replace(ordered, ' *[[(].*$', '') as ordered
                        from ({{ ordered_date(value) }}) as as_ordered
                        where epoch is not null or ordered ~ {{ date_time_shape() }}
                        limit all
                    ) as uncommented
                    limit all
                ) as texts
                limit all
            ) as parts
            limit all
        ) as reading
    )
{%- endmacro %}
