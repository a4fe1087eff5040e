{#-
    Fingerprint of everything that decides what a row of fuel.fill_intervals looks like, apart from the fills
    themselves: the files of the model and of its steps, the macros they use, the thresholds, and how the fills were
    derived.
-#}
{% macro fill_intervals_fingerprint() -%}
    {%- set parts = [
        tojson(var('economy'), sort_keys=true), records_fingerprint(),
        record_columns(), fill_columns(), order_of_fills(), order_by_blocks(), readings_agree('a', 'b', 'c', 'd'),
        better_report('a', 'b'),
    ] -%}
    {%- if execute -%}
        {%- for node in with_steps('model.' ~ project_name ~ '.fill_intervals') -%}
            {%- do parts.append(node.raw_code) -%}
        {%- endfor -%}
    {%- endif -%}
    {{- local_md5(parts | join('\n')) -}}
{%- endmacro %}


{#- The node of a model, and those of the ephemeral models that dbt writes into its statement. -#}
{% macro with_steps(unique_id) -%}
    {%- set nodes = [graph.nodes[unique_id]] -%}
    {%- for parent in nodes[0].depends_on.nodes if parent in graph.nodes -%}
        {%- if graph.nodes[parent].config.materialized == 'ephemeral' -%}
            {%- do nodes.extend(with_steps(parent)) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(nodes) }}
{%- endmacro %}
