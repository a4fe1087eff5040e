{#-
    The number in a text of one unit. Plain digits first, then the usual ways of writing (45.5L, KES 8,190, 182,440 km): small
    regular expressions without captures, which decide nothing that the general way would decide otherwise. It tries one
    shape after another, each between the same words. No sub-select, so that fuel.parse_number inlines. From a billion on
    nothing is a reading: null, so that no cast to a column's precision overflows.

    Litres have thousandths and no fill has 45,500 of them: a comma or dot before three digits is a decimal sign. Neither
    shillings nor kilometres have thousandths: there it parts the thousands.
-#}
{% macro parse_number(value, unit) -%}
    {%- set is_litres = unit == 'litres' -%}
    {%- set usual = {
        'litres': '[0-9]{1,6}(?:[.][0-9]{1,3})? ?[Ll]',
        'kes': '(?:K(?:ES|SH|sh) ?)?(?:[0-9]{1,6}|[1-9][0-9]{0,2},[0-9]{3})(?:[.][0-9]{1,2})?',
        'km': '(?:[0-9]{1,6}|[1-9][0-9]{0,2},[0-9]{3})(?:[.][0-9]{1,2})?(?: ?km)?',
    }[unit] -%}
    {%- set blanks_or_quotes = "(?: [0-9]{3})+|(?:''[0-9]{3})+" -%}
    {%- set commas = '(?:,[0-9]{3})+(?=[.])|(?:,[0-9]{3}){2,}' if is_litres else '(?: ?, ?[0-9]{3})+' -%}
    case
        when
            length({{ value }}) <= 9 and {{ value }} collate "C" ~ '^[0-9]+(?:[.][0-9]{{ '*' if is_litres else '{0,2}' }})?$'
            then cast({{ value }} as numeric)
        when length({{ value }}) <= 20 and {{ value }} collate "C" ~ '^{{ usual }}$'
            then cast(translate({{ value }}, ', KESHshLlkm', '') as numeric)
        when length({{ value }}) <= 100
            then
                nullif(nullif(
                    greatest(
                        least(
                            coalesce(
                                {%- if not is_litres %}
                                {#- 8.190  182.440  1.234,50 -#}
                                {{ number_shaped(value, unit, "[1-9][0-9]{0,2}(?:[.][0-9]{3})+", ".", "") }},
                                {%- endif %}
                                {#- 8190  45.5  .5  1,234.50  12 345  12'345  1.5e3 -#}
                                {{ number_shaped(value, unit, "[.][0-9]+|(?:[0-9]+|[1-9][0-9]{0,2}(?:" ~ commas ~ "|" ~ blanks_or_quotes ~ "))(?:[.][0-9]*)?(?:e[-+]?[0-9]{1,2})?", ", ''", "") }},
                                {#- 5k  5.5K  5,5k -#}
                                {{ number_shaped(value, unit, "[0-9]+(?:[.][0-9]*|,[0-9]{1,2})? ?k(?![a-z])", ", ", ".") }},
                                {#- 45,5  0,500  1.234,50  1 234,50 -#}
                                {{ number_shaped(value, unit, "0,[0-9]+|[0-9]+,[0-9]{1," ~ (3 if is_litres else 2) ~ "}|[1-9][0-9]{0,2}(?:(?:[.][0-9]{3})+|(?: [0-9]{3})+),[0-9]{1,2}", ",. ", ".") }}
                                {%- if is_litres %},
                                {#- 1.234.567 -#}
                                {{ number_shaped(value, unit, "[1-9][0-9]{0,2}(?:[.][0-9]{3}){2,}", ".", "") }}
                                {%- endif %}
                            ),
                            999999999.5
                        ),
                        -999999999.5
                    ),
                    999999999.5
                ), -999999999.5)
    end
{%- endmacro %}


{#-
    The number of one shape, with the words that people put around a number of this unit, and no others: `KES 3600` is no
    number of litres. `drop` holds the separators that go (its first character becomes `keep`). A dash that touches the
    label before it, or stands between blanks, is no sign: after a label it stands for a colon, after a currency it may be
    either. A comment in brackets may say anything but a figure or another unit.
-#}
{% macro number_shaped(value, unit, shape, drop, keep) -%}
    {%- set litres = 'l(?:t?r?s?|it(?:t?er|re|r|a)?s?)' -%}
    {%- set km = 'kms?|kilomet(?:re|er)s?' -%}
    {%- set kes = 'k[.]?shs?|kes|shs?|bob' -%}
    {%- set other_money = 'usd|us[$]|[$€£]|eur|gbp|ugx|ush|tzs|tsh' -%}
    {%- set labels = {
        'litres': litres ~ '|quantity|qty|amount|total|fuel|diesel|petrol|super',
        'kes': 'amount|amt|total|cost|paid|cash|m-?pesa',
        'km': 'od[o0](?:meter)?(?: reading)?|mileage|reading|' ~ km,
    }[unit] -%}
    {%- set labels_after = {
        'litres': 'of|fuel|diesel|petrol|super|ago|pms',
        'kes': 'paid|cash|m-?pesa|total',
        'km': 'od[o0](?:meter)?|mileage|reading',
    }[unit] -%}
    {%- set units = {'litres': litres ~ '|kw(?:[ ./-]?h(?:rs?)?s?)?', 'kes': kes ~ '|shillings?', 'km': km}[unit] -%}
    {%- set other_units = {
        'litres': [kes, km, 'shillings?', other_money, 'gal(?:lon)?s?', 'miles?'],
        'kes': [litres, km, other_money, 'gal(?:lon)?s?', 'miles?', 'kwh'],
        'km': [litres, kes, 'shillings?', other_money, 'gal(?:lon)?s?', 'miles?', 'mi', 'kwh'],
    }[unit] | join('|') -%}
    {%- set about = '(?:(?:[~≈]|(?:approx(?:imately)?|about|abt|around|circa)[.]?\\\\s)\\\\s*)?' -%}
    {%- set comment = '[(\\\\[](?![^])]*(?:\\\\m(?:' ~ other_units ~ ')\\\\M|/=))[^][()0-9]*[])]' -%}
    {%- set full_tank = 'full(?:[ -]*tank)?|tank[ -]*full|fill(?:ed)?[ -]*up|top(?:ped)?[ -]*up' -%}
    cast(replace(translate(
        substring(
            {{ number_text(value) }} from
            e'^[\\s"'']*{{ about }}(?:(?:{{ full_tank }}|{{ comment }})[\\s:,-]*)?
            {#- -#}
            (?:(?:{{ labels }})(?:[.:=]*-|[.:=\\s]*-\\s)?[.:=\\s]*)?{{ about }}
            {%- if unit == 'kes' -%}
            (?:(?:{{ kes }})[.:=\\s]*)?{{ about }}
            {%- endif -%}
            ((?:(?<![a-z.:=-])[-+])?(?:{{ shape }}))\\s*(?:{{ units }})?
            {%- if unit == 'kes' -%}
            \\s*(?:/[=-]?|=)?
            {%- endif -%}
            (?:[\\s,;-]*(?:(?:only|{{ labels_after }})\\M|{{ full_tank }}|{{ comment }}))*[.,\\s"'']*$'
        ), '{{ drop }}', '{{ keep }}'
    ), 'k', 'e3') as numeric)
{%- endmacro %}
