{#- The name of a finding in reviewed_findings.csv: its rule and its fill. -#}
{% macro finding_key(rule, id) -%}
    '{{ rule }}:' || {{ id }}
{%- endmacro %}
