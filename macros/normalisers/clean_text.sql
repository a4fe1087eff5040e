{#- NFKC turns full-width forms, ligatures and odd blanks into plain ones; invisible characters vanish.
    By range, so that the next one to appear in a message is covered too. ASCII (nearly every value) is only
    checked. Collation "C" keeps regular expressions independent of the database's locale, and legal on
    columns with a nondeterministic collation. Backslashes stand in literals e'…' only: those read the same
    whatever standard_conforming_strings is in the session that calls a function. -#}
{% macro clean_text(value) -%}
    case
        when octet_length({{ value }}) = length({{ value }}) then {{ value }}
        else regexp_replace(normalize({{ value }}, nfkc) collate "C", e'[{{ invisible_ranges() }}]', '', 'g')
    end collate "C"
{%- endmacro %}


{#- Control characters that are no blanks, soft hyphens, fillers, zero-width, bidi and variation marks, tags. -#}
{% macro invisible_ranges() -%}
    \\u0001-\\u0008\\u000E-\\u001F\\u007F-\\u0084\\u0086-\\u009F\\u00AD\\u034F\\u061C\\u115F\\u1160\\u17B4\\u17B5\\u180B-\\u180F\\u200B-\\u200F\\u202A-\\u202E\\u2060-\\u206F\\u3164\\uFE00-\\uFE0F\\uFEFF\\uFFA0\\uFFF0-\\uFFFB\\U0001BCA0-\\U0001BCA3\\U0001D173-\\U0001D17A\\U000E0000-\\U000E0FFF
{%- endmacro %}
