{#- Plain digits first, then the usual ways of writing (45.5L, KES 8,190, 182,440 km): small regular expressions without
    captures, which decide nothing that the general way would decide otherwise. It tries one shape after another, each
    between the same currency words and units. No sub-select, so that fuel.parse_number inlines.
    From a billion on nothing is a reading: null, so that no cast to a column's precision overflows. -#}
{% macro parse_number(value) -%}
    case
        when
            length({{ value }}) <= 9 and {{ value }} collate "C" ~ '^[0-9]+[.]?[0-9]*$'
            then cast({{ value }} as numeric)
        when
            length({{ value }}) <= 20
            and {{ value }} collate "C"
            ~ '^(?:K(?:ES|SH|sh) ?)?(?:[0-9]{1,6}|[1-9][0-9]{0,2},[0-9]{3})(?:[.][0-9]{1,2})?(?: ?(?:[Ll]|km))?$'
            then cast(translate({{ value }}, ', KESHshLlkm', '') as numeric)
        when length({{ value }}) <= 100
            then
                nullif(nullif(
                    greatest(
                        least(
                            coalesce(
                                {#- KES 8.190  182.440 km: neither shillings nor kilometres have thousandths -#}
                                case
                                    when
                                        {{ value }} collate "C" ~ '[.][0-9]{3}(?![0-9])'
                                        and {{ number_text(value) }} ~ 'k(?:es|m|ilomet)|sh|bob|od[o0]|mileage|[0-9]\s*/[=-]'
                                        then {{ number_shaped(value, "[1-9][0-9]{0,2}[.][0-9]{3}", ".", "") }}
                                end,
                                {#- 8190  45.5  .5  1,234.50  12 345  12'345  1.5e3 -#}
                                {{ number_shaped(value, "[.][0-9]+|(?:[0-9]+|[1-9][0-9]{0,2}(?:(?:,[0-9]{3})+|(?: [0-9]{3})+|(?:''[0-9]{3})+))(?:[.][0-9]*)?(?:e[-+]?[0-9]{1,2})?", ", ''", "") }},
                                {#- 5k  5.5K  5,5k -#}
                                {{ number_shaped(value, "[0-9]+(?:[.][0-9]*|,[0-9]{1,2})? ?k(?![a-z])", ", ", ".") }},
                                {#- 45,5  0,500  1.234,50  1 234,50 -#}
                                {{ number_shaped(value, "0,[0-9]+|(?:[0-9]+|[1-9][0-9]{0,2}(?:(?:[.][0-9]{3})+|(?: [0-9]{3})+)),[0-9]{1,2}", ",. ", ".") }},
                                {#- 1.234.567 -#}
                                {{ number_shaped(value, "[1-9][0-9]{0,2}(?:[.][0-9]{3}){2,}", ".", "") }}
                            ),
                            999999999.5
                        ),
                        -999999999.5
                    ),
                    999999999.5
                ), -999999999.5)
    end
{%- endmacro %}


{#- The number of one shape, with what people put around it; `drop` holds the separators that go (its first
    character becomes `keep`). A dash that touches the label before it, or stands between blanks, is no sign: after
    a label it stands for a colon, after a currency it may be either. -#}
{% macro number_shaped(value, shape, drop, keep) -%}
    {%- set litres_words = 'l(?:t?r?s?|it(?:t?er|re|r|a)?s?)' -%}
    {%- set currencies = 'k[.]?shs?|kes|shs?|bob' -%}
    {%- set labels = 'od[o0](?:meter)?|mileage|' ~ litres_words ~ '|amount|total|cost|kms?' -%}
    cast(replace(translate(
        substring(
            {{ number_text(value) }} from
            e'^\\s*(?:(?:{{ labels }})(?:[.:=]*-|[.:=\\s]*-\\s)?[.:=\\s]*)?(?:(?:{{ currencies }})[.:=\\s]*)?((?:(?<![a-z.:=-])[-+])?(?:{{ shape }}))\\s*(?:(?:{{ litres_words }}|kms?|kilomet(?:re|er)s?|{{ currencies }}|shillings?))?\\s*(?:/[=-]?|=)?(?:\\s*only)?[.\\s]*$'
        ), '{{ drop }}', '{{ keep }}'
    ), 'k', 'e3') as numeric)
{%- endmacro %}


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
