{#-
    A query for the live rows of fuel.records that loads of the last 24 hours brought: what the tests of typed quality
    look at, so that a build costs no more as history grows. Older rows have been reported when they were new.
-#}
{% macro recent_fills() -%}
    select *
    from {{ ref('records') }}
    where
        load_id > coalesce(
            (select max(load_id) from {{ source('fuel', 'loads') }} where started_at < now() - interval '24 hours'), -1
        )
        and deleted_at is null
        and absent_since is null
{%- endmacro %}
