{#-
    On-run-start: whoever writes by hand may write with other code, or only a part. Without the fingerprint of the last
    build the job's next hour builds.
-#}
{% macro forget_fingerprint() -%}
    {#- Outside the condition, where dbt sees it while parsing. -#}
    {%- set builds = ref('builds') -%}
    {%- if execute and flags.WHICH in ('build', 'run', 'seed') and 'fingerprint' in (
        adapter.get_columns_in_relation(builds) | map(attribute='name')
    ) -%}
        update {{ builds }} set fingerprint = null where fingerprint is not null
    {%- endif -%}
{%- endmacro %}
