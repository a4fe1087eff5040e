{#-
    The id of a record as everybody may see it: a stable pseudonym where the id holds a phone number, as ids of WhatsApp
    messages do (`false_254712345678@c.us_3EB0…`; a `wamid.` holds it in base64). Any other id stays: a long plain number is
    none, unless it has the form of a number of Kenya or its neighbours.
-#}
{% macro public_id(id) -%}
    {%- set digit = '(?:[ ().-]?[0-9])' -%}
    case
        when
            length({{ id }}) >= 7
            and (
                {{ id }} collate "C" ~ e'[0-9]{7}(?:[-:_][0-9]+)*@|^wamid|[+][(]?[0-9]{{ digit }}{6}'
                or {{ id }} collate "C" ~ e'(?:^|[^0-9])(?:00)?(?:25[0-9]|211|249){{ digit }}{9}(?![0-9])|(?:^|[^0-9])0[17]{{ digit }}{8}(?![0-9])'
                or (
                    octet_length({{ id }}) <> length({{ id }})
                    and {{ without_phone_numbers(id) }} is distinct from {{ id }}
                )
            )
            then 'wa-' || md5({{ id }})
        else {{ id }}
    end
{%- endmacro %}
