{#- The code that decides how an older version is read: all that does so for fuel.records, and the model's own file. -#}
{% macro read_versions_fingerprint() -%}
    {{- local_md5(records_fingerprint() ~ (graph.nodes['model.' ~ project_name ~ '.read_versions'].raw_code if execute)) -}}
{%- endmacro %}


{#- The SQL condition that a row of fuel.read_versions was read from a row of fuel.record_versions. -#}
{% macro is_same_version(read, stored) -%}
    coalesce({{ read }}.raw_id, {{ read }}.id) = {{ stored }}.id
    and {{ read }}.replaced_by_load_id = {{ stored }}.replaced_by_load_id
    and {{ read }}.replaced_at = {{ stored }}.replaced_at
{%- endmacro %}


{#-
    Pre-hook of fuel.read_versions: forgets what other code has read, and what is no longer stored, because it is old
    enough or because somebody's data was erased. Versions that are still stored are then read anew.
-#}
{% macro forget_versions() -%}
    {%- if is_incremental() -%}
        delete from {{ this }} as present
        where
            present.derivation <> '{{ read_versions_fingerprint() }}'
            or not exists (
                select 1 from {{ source('fuel', 'record_versions') }} as stored
                where {{ is_same_version('present', 'stored') }}
            )
    {%- endif -%}
{%- endmacro %}
