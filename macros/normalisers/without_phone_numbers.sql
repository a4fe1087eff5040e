{#-
    A text without its phone numbers: runs of seven digits or more. Anything but letters may stand between the digits, and
    also what hides a number from a plain search: one or two letters right between digits (`0712x345y678`), and an o or i in
    place of a digit (`o712 345 678`). Digits of every script, in bold or in circles, are digits all the same.

    No group captures, so PostgreSQL decides in one pass: with groups a text of 500 digits took a sixth of a second.
-#}
{% macro without_phone_numbers(value) -%}
    case
        when octet_length({{ value }}) = length({{ value }})
            then {{ without_digit_runs(value, '0-9') }}
        else {{ without_digit_runs('normalize(' ~ value ~ ', nfkc)', '0-9' ~ digits_of_other_scripts()) }}
    end
{%- endmacro %}


{#- A text that holds none stays as it is. -#}
{% macro without_digit_runs(value, digit) -%}
    {%- set between = '[^A-Za-z' ~ digit ~ ']*' -%}
    {%- set hidden = '[-._/]?[A-Za-z]{1,2}[-._/]?|' ~ between ~ '[oOiI]' ~ between -%}
    {%- set phone_number = "e'[+(]*[" ~ digit ~ ']' ~ '(?:(?:' ~ between ~ '|' ~ hidden ~ ')[' ~ digit ~ "]){6,}'" -%}
    case
        when {{ value }} collate "C" ~ {{ phone_number }}
            then nullif(btrim(regexp_replace({{ value }} collate "C", {{ phone_number }}, '', 'g'), ' ,;:/()-'), '')
        else {{ value }}
    end collate "default"
{%- endmacro %}


{#- For a class in a literal e'…': the decimal digits of Unicode that NFKC leaves as they are, each ten from its zero on. -#}
{% macro digits_of_other_scripts() -%}
    {%- set zeros = [
        '0660', '06F0', '07C0', '0966', '09E6', '0A66', '0AE6', '0B66', '0BE6', '0C66', '0CE6', '0D66',
        '0DE6', '0E50', '0ED0', '0F20', '1040', '1090', '17E0', '1810', '1946', '19D0', '1A80', '1A90',
        '1B50', '1BB0', '1C40', '1C50', 'A620', 'A8D0', 'A900', 'A9D0', 'A9F0', 'AA50', 'ABF0', 'FF10'
    ] -%}
    {%- set zeros_beyond_the_basic_plane = [
        '000104A0', '00010D30', '00011066', '000110F0', '00011136', '000111D0', '000112F0', '00011450',
        '000114D0', '00011650', '000116C0', '00011730', '000118E0', '00011950', '00011C50', '00011D50',
        '00011DA0', '00016A60', '00016AC0', '00016B50', '0001E140', '0001E2F0', '0001E950', '0001FBF0'
    ] -%}
    {%- for zero in zeros -%}
        \\u{{ zero }}-\\u{{ '%04X' | format(zero | int(0, 16) + 9) }}
    {%- endfor -%}
    {%- for zero in zeros_beyond_the_basic_plane -%}
        \\U{{ zero }}-\\U{{ '%08X' | format(zero | int(0, 16) + 9) }}
    {%- endfor -%}
{%- endmacro %}


{#- A text as people may read it: no control, zero-width or bidi characters, a blank for a tab or the end of a line. -#}
{% macro visible_text(value) -%}
    case
        when {{ value }} collate "C" ~ e'[\\u0001-\\u001F\\u007F]' or octet_length({{ value }}) <> length({{ value }})
            then
                nullif(btrim(regexp_replace(
                    regexp_replace({{ value }} collate "C", e'[\\t\\n\\v\\f\\r\\u0085\\u2028\\u2029]+', ' ', 'g'),
                    e'[{{ invisible_ranges() }}]', '', 'g'
                )), '')
        else {{ value }}
    end collate "default"
{%- endmacro %}
