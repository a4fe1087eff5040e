{#- In words where the expected price of a fill comes from. -#}
{% macro words_for_expected_price() -%}
    case when is_regulated then 'the regulated maximum of that date' else 'the fleet''s median of that week' end
{%- endmacro %}
