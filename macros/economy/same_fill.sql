{#- Whether two reports name the same litres, to a tenth of a litre, or both none. Null if only one names any. -#}
{% macro same_litres(one, other) -%}
(
    abs({{ one }}.litres - {{ other }}.litres) <= {{ economy_setting('resend_max_litres') }}
    or ({{ one }}.litres is null and {{ other }}.litres is null)
)
{%- endmacro %}


{#- Whether two reports name the same amount, or both none: receipts are rounded, to the shilling or a little more. -#}
{% macro same_amount(one, other) -%}
(
    abs({{ one }}.amount_kes - {{ other }}.amount_kes) <= greatest(
        {{ economy_setting('resend_max_kes') }},
        {{ economy_setting('resend_max_share_of_amount') }}
        * greatest(abs({{ one }}.amount_kes), abs({{ other }}.amount_kes))
    )
    or ({{ one }}.amount_kes is null and {{ other }}.amount_kes is null)
)
{%- endmacro %}


{#- When a report was made, to be held against another's: by its created_at, then by its id, as a number where both
    are numbers. -#}
{% macro reported(report) -%}
(
    coalesce({{ report }}.created_at, '-infinity'),
    length({{ report }}.id) * ({{ report }}.id ~ '^[1-9][0-9]*$')::int,
    {{ report }}.id collate "C"
)
{%- endmacro %}
