{#-
    Objects and arrays are no text, and an exporter's words for nothing are none. A text longer than 500 characters was
    not typed into a form field: cut, a value always fits an index entry. Most values begin with a digit, as no such word
    does, nor an object or array: nothing else is asked of them, and little of those that begin with a letter.
-#}
{% macro feed_text(column) -%}
    {%- set keys = var('feed_fields').get(column) -%}
    {%- if not keys -%}
        {%- do exceptions.raise_compiler_error("dbt_project.yml: feed_fields names no key for " ~ column ~ ".") -%}
    {%- endif -%}
    {%- set no_words = words_for_nothing() -%}
    coalesce(
        {%- for key in ([keys] if keys is string else keys) %}
        {%- set literal = sql_literal(key) %}
        {%- set trimmed = 'btrim(left(raw ->> ' ~ literal ~ ", 500), e' \\t\\n\\r\\f\\x0B')" %}
        case
            when (raw ->> {{ literal }}) collate "C" between '0' and ':'
                then {{ trimmed }}
            when
                (raw ->> {{ literal }}) collate "C" between '!' and 'Z~'
                or (raw ->> {{ literal }}) collate "C" between 'a' and 'z~'
                then case when {{ trimmed }} collate "C" not in ({{ no_words }}) then {{ trimmed }} end
            when
                jsonb_typeof(raw -> {{ literal }}) = 'string'
                and left(raw ->> {{ literal }}, 500) collate "C" ~ e'{{ visible_character() }}'
                and {{ trimmed }} collate "C" !~ e'^(?:\\[object [A-Za-z]+\\]|\\\\N|\\[(?:null|undefined)?\\]|\\{\\})$'
                and {{ trimmed }} collate "C" not in ({{ no_words }})
                then {{ trimmed }}
        end{{ ',' if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}


{#- SQL literals of the words that JavaScript, Python, SQL and spreadsheets write where there is no value. `Nan` is a name. -#}
{% macro words_for_nothing() -%}
    {%- set words = [
        'NaN', 'nan', '(null)', '<null>', '(undefined)', '<undefined>',
        '#N/A', '#REF!', '#VALUE!', '#NAME?', '#NULL!', '#NUM!', '#DIV/0!', '#ERROR!',
        'Invalid Date', 'Invalid date', 'Invalid DateTime', '""', "''", '[]', '{}',
    ] -%}
    {%- for word in ['null', 'undefined', 'none', 'nil', 'null null', 'undefined undefined'] -%}
        {%- do words.extend([word, word.upper(), word.title()]) -%}
    {%- endfor -%}
    {{ return(sql_literals(words) | join(', ')) }}
{%- endmacro %}


{#- Anything but blanks and what clean_text drops. -#}
{% macro visible_character() -%}
    [^\\u0001-\\u0020\\u0085\\u00A0\\u1680\\u2000-\\u200A\\u2028\\u2029\\u202F\\u205F\\u2800\\u3000{{ invisible_ranges() }}]
{%- endmacro %}
