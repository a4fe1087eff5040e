{#-
    Overrides of dbt's grants, so that after a build exactly those may read who are listed. A grant on a column counts,
    too; whoever loses a privilege takes along those he has handed it on to; the name of a role may hold any character,
    and `public` is everybody.
-#}
{% macro postgres__get_show_grant_sql(relation) -%}
    {%- set listed = [] -%}
    {%- for privilege, grantees in (config.get('grants') or {}).items() -%}
        {%- for grantee in grantees -%}
            {%- do listed.append(dbt.string_literal(dbt.escape_single_quotes(privilege ~ ' ' ~ grantee) | lower)) -%}
        {%- endfor -%}
    {%- endfor -%}
    select shown.grantee, shown.privilege_type
    from (
        select
            coalesce(grantee.rolname, 'public') as grantee,
            acl.privilege_type,
            bool_or(privileges.on_the_whole) as on_the_whole
        from pg_catalog.pg_class as class
        cross join lateral (
            select class.relacl as acl, true as on_the_whole
            union all
            select attacl, false from pg_catalog.pg_attribute where attrelid = class.oid
        ) as privileges
        cross join lateral aclexplode(privileges.acl) as acl
        left join pg_catalog.pg_roles as grantee on acl.grantee = grantee.oid
        where
            class.oid = '{{ relation }}'::regclass
            and acl.grantor = class.relowner
            and acl.grantee <> class.relowner
        group by 1, 2
    ) as shown
    {%- if listed %}
    -- Who is listed and has it on a column has yet to get it on the whole.
    where
        shown.on_the_whole
        or lower(concat_ws(' ', shown.privilege_type, shown.grantee)) not in ({{ listed | join(', ') }})
    {%- endif %}
{%- endmacro %}


{% macro postgres__get_grant_sql(relation, privilege, grantees) -%}
    grant {{ privilege }} on {{ relation.render() }} to {{ quoted_roles(grantees) }}
{%- endmacro %}


{% macro postgres__get_revoke_sql(relation, privilege, grantees) -%}
    revoke {{ privilege }} on {{ relation.render() }} from {{ quoted_roles(grantees) }} cascade
{%- endmacro %}


{% macro quoted_roles(names) -%}
    {%- set quoted = [] -%}
    {%- for name in names -%}
        {%- do quoted.append(name if name | lower == 'public' else adapter.quote(name | replace('"', '""'))) -%}
    {%- endfor -%}
    {{- quoted | join(', ') -}}
{%- endmacro %}


{#-
    On-run-end: who may read the views must also be let into their schema, which dbt's grants say nothing of. Once for
    the run, since two views at once would get into each other's way; only who is not yet in.
-#}
{% macro let_readers_in() -%}
    {%- set schema = ref('v_fuel_fills').schema -%}
    {%- set roles = [var('reader_roles')] if var('reader_roles') is string else var('reader_roles') -%}
    {%- if execute and roles -%}
        {%- set readers = [] -%}
        {%- for role in roles -%}
            {%- set name = 'public' if role | lower == 'public' else role -%}
            {%- do readers.append(dbt.string_literal(dbt.escape_single_quotes(name))) -%}
        {%- endfor -%}
        {%- set query -%}
            select rolname
            from (select rolname from pg_catalog.pg_roles union all select 'public') as roles
            where
                rolname in ({{ readers | join(', ') }})
                and not has_schema_privilege(rolname, '{{ schema }}', 'usage')
        {%- endset -%}
        {%- set outside = run_query(query).columns[0].values() -%}
        {%- if outside -%}
            grant usage on schema {{ adapter.quote(schema) }} to {{ quoted_roles(outside) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
