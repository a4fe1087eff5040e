{#-
    Fingerprint of everything that decides what a row of fuel.fill_intervals looks like, apart from the fills
    themselves: the model's own file, the macro it uses, the thresholds, and how the fills were derived.
-#}
{% macro fill_intervals_fingerprint() -%}
    {%- set parts = [
        tojson(var('economy'), sort_keys=true), readings_agree('a', 'b', 'c', 'd'), records_fingerprint(),
    ] -%}
    {%- if execute -%}
        {%- do parts.append(graph.nodes['model.' ~ project_name ~ '.fill_intervals'].raw_code) -%}
    {%- endif -%}
    {{- local_md5(parts | join('\n')) -}}
{%- endmacro %}
