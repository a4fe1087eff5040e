{#- Lower case, digits of other scripts and typographic signs as ASCII; what the loader puts in place of a NUL or half a
    character is a blank. Superscripts, circled digits and fractions would join the digits beside them: they spoil the
    number instead. -#}
{% macro number_text(value) -%}
    case
        when octet_length({{ value }}) = length({{ value }}) then lower({{ value }} collate "C")
        else
            translate(
                lower({{ clean_text("regexp_replace(" ~ value ~ " collate \"C\", e'[\\\\u00B2\\\\u00B3\\\\u00B9\\\\u00BC-\\\\u00BE\\\\u2070-\\\\u209F\\\\u2150-\\\\u218F\\\\u2460-\\\\u24FF\\\\u2776-\\\\u2793\\\\u3220-\\\\u325F\\\\u3280-\\\\u32BF\\\\u3358-\\\\u3370\\\\u33E0-\\\\u33FE\\\\U0001F100-\\\\U0001F1FF]', '?', 'g')") }}),
                '٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹٫٬−–’�',
                '01234567890123456789.,--'' '
            )
    end
{%- endmacro %}
