{#- The difference between the view and its candidate: 'none', 'in place' (PostgreSQL can replace it) or 'swap'. -#}
{% macro stable_view_change(target_relation, candidate_relation) -%}
    {%- set query -%}
        with view_columns as (
            select
                attrelid, attnum, (attname, atttypid, atttypmod, attcollation)::text as described
            from pg_catalog.pg_attribute
            where attrelid in ('{{ target_relation }}'::regclass, '{{ candidate_relation }}'::regclass) and attnum > 0
        )

        select
            case
                when exists (
                    select 1 from view_columns as present
                    left join view_columns as wanted
                        on present.attnum = wanted.attnum
                        and wanted.attrelid = '{{ candidate_relation }}'::regclass
                    where
                        present.attrelid = '{{ target_relation }}'::regclass
                        and present.described is distinct from wanted.described
                ) then 'swap'
                when
                    pg_get_viewdef('{{ target_relation }}'::regclass)
                    = pg_get_viewdef('{{ candidate_relation }}'::regclass) then 'none'
                else 'in place'
            end
    {%- endset -%}
    {{ return(run_query(query).columns[0].values()[0]) }}
{%- endmacro %}
