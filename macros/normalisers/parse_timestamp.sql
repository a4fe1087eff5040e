{#- The export's own form (2026-11-01T07:42:00.000Z) and the usual typed one (01/11/2026 07:42) first, by position: the
    small regular expression says that all between the separators are digits. All the rest is read by date_and_time, or
    by the expression `otherwise`: a query that calls the function there can run in parallel, which PostgreSQL does not
    do with a sub-select that looks at its row. Only immutable functions: neither TimeZone nor DateStyle of the session has a
    say. -#}
{% macro parse_timestamp(value, otherwise=none) -%}
    case
        when
            {{ value }} like '20__-__-__T__:__:__.___Z'
            and {{ value }} collate "C" ~ '^(?:[0-9][0-9]+[-T:.Z])+$'
            and substr({{ value }}, 6, 2) collate "C" between '01' and '12'
            and substr({{ value }}, 9, 2) collate "C" between '01' and '31'
            and (
                substr({{ value }}, 9, 2) collate "C" <= '28'
                or substr({{ value }}, 6, 5) not in ({{ days_that_may_not_exist('{month}-{day}') }})
            )
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
        when
            {{ value }} like '__/__/20__ __:__'
            and {{ value }} collate "C" ~ '^(?:[0-9][0-9]+[/ :])+[0-9][0-9]$'
            and substr({{ value }}, 4, 2) collate "C" between '01' and '12'
            and left({{ value }}, 2) collate "C" between '01' and '31'
            and (
                left({{ value }}, 2) collate "C" <= '28'
                or left({{ value }}, 5) not in ({{ days_that_may_not_exist('{day}/{month}') }})
            )
            and substr({{ value }}, 12, 2) collate "C" <= '23'
            and substr({{ value }}, 15, 2) collate "C" <= '59'
            then
                make_timestamp(
                    cast(substr({{ value }}, 7, 4) as integer),
                    cast(substr({{ value }}, 4, 2) as integer),
                    cast(left({{ value }}, 2) as integer),
                    cast(substr({{ value }}, 12, 2) as integer),
                    cast(substr({{ value }}, 15, 2) as integer),
                    0
                ) at time zone 'Africa/Nairobi'
        when length({{ value }}) between 6 and 100 then {{ otherwise or date_and_time(value) }}
    end
{%- endmacro %}


{% macro days_that_may_not_exist(form) -%}
    {%- for day, month in [('29', '02'), ('30', '02'), ('31', '02'), ('31', '04'), ('31', '06'), ('31', '09'), ('31', '11')] -%}
        '{{ form | replace('{month}', month) | replace('{day}', day) }}'{{ ', ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}
