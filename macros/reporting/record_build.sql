{#- On-run-end: notes in fuel.builds how the run ended, if it was one of the whole project (`builds` was in it). -#}
{% macro record_build(results) -%}
    {#- Outside the condition, where dbt sees it while parsing. -#}
    {%- set builds = ref('builds') -%}
    {%- set outcome = {'own': false, 'failed': 0, 'warned': 0, 'written': 0} -%}
    {%- for result in results -%}
        {%- set status = result.status | string -%}
        {%- if result.node.unique_id == 'model.' ~ project_name ~ '.builds' and status == 'success' -%}
            {%- do outcome.update({'own': true}) -%}
        {%- elif result.node.unique_id == 'model.' ~ project_name ~ '.records' -%}
            {%- do outcome.update({'written': [result.adapter_response.get('rows_affected', 0), 0] | max}) -%}
        {%- endif -%}
        {%- if status in ('error', 'fail', 'runtime error', 'partial success') -%}
            {%- do outcome.update({'failed': outcome.failed + 1}) -%}
        {%- elif status == 'warn' -%}
            {%- do outcome.update({'warned': outcome.warned + 1}) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if outcome.own -%}
        update {{ builds }} set
            finished_at = statement_timestamp(),
            status = '{{ 'error' if outcome.failed else 'success' }}',
            failed = {{ outcome.failed }},
            warned = {{ outcome.warned }},
            records_written = {{ outcome.written }},
            seeds_refused = {{ refused_seeds(results) | length }}
        where invocation_id = '{{ invocation_id }}'
    {%- endif -%}
{%- endmacro %}
