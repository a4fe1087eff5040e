{#- What a finding is called in reviewed_findings.csv: its rule and its fill. -#}
{% macro finding_key(rule, id) -%}
    '{{ rule }}:' || {{ id }}
{%- endmacro %}
