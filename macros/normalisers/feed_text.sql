{#- Objects and arrays are no text. What is longer than 500 characters was not typed into a form field: cut, a
    value always fits an index entry. Nearly every value begins with a letter, a digit or a sign, as all numbers and
    booleans do, and no object or array: nothing else is asked of it. -#}
{% macro feed_text(column) -%}
    {%- set keys = var('feed_fields').get(column) -%}
    {%- if not keys -%}
        {%- do exceptions.raise_compiler_error("dbt_project.yml: feed_fields names no key for " ~ column ~ ".") -%}
    {%- endif -%}
    coalesce(
        {%- for key in ([keys] if keys is string else keys) %}
        {%- set literal = "'" ~ key | replace("'", "''") ~ "'" %}
        case
            when
                (raw ->> {{ literal }}) collate "C" between '!' and 'Z~'
                or (raw ->> {{ literal }}) collate "C" between 'a' and 'z~'
                then btrim(left(raw ->> {{ literal }}, 500), e' \t\n\r\f\x0B')
            when
                jsonb_typeof(raw -> {{ literal }}) = 'string'
                and left(raw ->> {{ literal }}, 500) collate "C" ~ e'{{ visible_character() }}'
                then btrim(left(raw ->> {{ literal }}, 500), e' \t\n\r\f\x0B')
        end{{ ',' if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}


{#- Anything but blanks and what clean_text drops. -#}
{% macro visible_character() -%}
    [^\\u0001-\\u0020\\u0085\\u00A0\\u1680\\u2000-\\u200A\\u2028\\u2029\\u202F\\u205F\\u2800\\u3000{{ invisible_ranges() }}]
{%- endmacro %}
