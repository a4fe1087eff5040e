{#-
    A view that readers can rely on. See docs/how-derivation-heals.md for the reasons.

    * Nothing is done while the view in the database is what the model's SQL would create. PostgreSQL itself is
      asked: the SQL is made into a temporary view and both parsed definitions are compared. No fingerprint has
      to be kept, so a hand-made change is noticed, and a restored dump needs no rebuild.
    * Otherwise the view is replaced in place: it keeps its OID, its grants and the views built on it.
    * Where PostgreSQL cannot replace in place (a column dropped, renamed, moved or retyped) the view and the views
      built on it are created anew in one transaction, each with its own definition, owner, grants and comments.
      If one of them does not fit any more, nothing happens and the error names it. Never a cascade.
    * A table of the same name is never dropped.
-#}
{% materialization stable_view, adapter='postgres' %}

    {%- set existing_relation = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type='view') -%}
    {%- set candidate_relation = make_temp_relation(target_relation, '__dbt_new').incorporate(type='view') -%}

    {%- if existing_relation is not none and not existing_relation.is_view -%}
        {%- do exceptions.raise_compiler_error(
            target_relation ~ " is to be a view, but a " ~ existing_relation.type ~ " of this name exists. "
            ~ "Nothing was dropped: rename or remove it, then run dbt again."
        ) -%}
    {%- endif -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- if existing_relation is none -%}
        {%- call statement('main') -%}
            {{ get_create_view_as_sql(target_relation, sql) }}
        {%- endcall -%}
    {%- else -%}
        {%- call statement('candidate') -%}
            {{ stable_view_candidate_sql(candidate_relation, sql) }}
        {%- endcall -%}
        {%- set change = stable_view_change(target_relation, candidate_relation) -%}
        {%- do run_query('drop view ' ~ candidate_relation) -%}
        {%- if change == 'none' -%}
            {%- do store_raw_result(name='main', message='UNCHANGED', code='UNCHANGED', rows_affected=-1) -%}
        {%- else -%}
            {%- call statement('main') -%}
                {%- if change == 'in place' -%}
                    {{ without_queueing('create or replace view ' ~ target_relation ~ ' as (\n' ~ sql ~ '\n)') }}
                {%- else -%}
                    {{ stable_view_swap_sql(target_relation, sql) }}
                {%- endif -%}
            {%- endcall -%}
        {%- endif -%}
    {%- endif -%}

    {#- An empty list of grantees leaves that privilege to whoever granted it by hand. -#}
    {%- set grants = {} -%}
    {%- for privilege, grantees in (config.get('grants') or {}).items() if grantees -%}
        {%- do grants.update({privilege: grantees}) -%}
    {%- endfor -%}
    {%- do apply_grants(target_relation, grants, should_revoke=True) -%}
    {%- do persist_docs(target_relation, model) -%}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({'relations': [target_relation]}) }}

{% endmaterialization %}


{#- The SQL as a temporary view; an enforced contract is checked on the way. -#}
{% macro stable_view_candidate_sql(candidate_relation, sql) -%}
    {%- if config.get('contract').enforced -%}
        {{ get_assert_columns_equivalent(sql) }}
    {%- endif -%}
    create temporary view {{ candidate_relation }} as (
    {{ sql }}
    )
{%- endmacro %}


{#- What separates the view from its candidate: 'none', 'in place' (PostgreSQL can replace it) or 'swap'. -#}
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
                    select from view_columns as present
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


{#-
    Create the view anew, and with it every view built on it, in one transaction. Its last statement is plain DDL that
    fails where a view does not fit any more, and `drop view` without cascade fails where anything else than a view
    depends on it (a materialized view, a function): both leave everything as it was.
-#}
{% macro stable_view_swap_sql(target_relation, sql) -%}
do $dbt_swap$
declare
    target constant regclass := {{ dbt.string_literal(target_relation | string) }};
    built_on_it text;
    recreate text;
    drop_all text;
    reason text;
    detail text;
begin
    with recursive dependents (view_oid, depth) as (
        select target::oid, 0
        union all
        select rule.ev_class, dependents.depth + 1
        from dependents
        inner join lateral (
            select distinct pg_rewrite.ev_class
            from pg_catalog.pg_depend
            inner join pg_catalog.pg_rewrite on pg_depend.objid = pg_rewrite.oid
            where
                pg_depend.refclassid = 'pg_class'::regclass
                and pg_depend.classid = 'pg_rewrite'::regclass
                and pg_depend.refobjid = dependents.view_oid
                and pg_rewrite.ev_class <> dependents.view_oid
        ) as rule on true
    ),

    views as (
        select class.oid, class.relname, class.oid::regclass::text as name, class.relowner, class.relacl,
            class.reloptions, max(dependents.depth) as depth
        from dependents
        inner join pg_catalog.pg_class as class on dependents.view_oid = class.oid
        where class.relkind = 'v'
        group by class.oid
    ),

    privileges as (
        select views.oid, null as column_name, views.relacl as acl
        from views
        union all
        select views.oid, attribute.attname, attribute.attacl
        from views
        inner join pg_catalog.pg_attribute as attribute on views.oid = attribute.attrelid
        {%- if model.columns %}
        -- A column that the view is to lose takes its grants with it.
        where views.oid <> target or attribute.attname in (
            {%- for column in model.columns -%}
            {{ dbt.string_literal(dbt.escape_single_quotes(column)) }}{{ ', ' if not loop.last }}
            {%- endfor -%}
        )
        {%- endif %}
    ),

    grants as (
        select views.oid, string_agg(format(
            'grant %s%s on %s to %s%s', acl.privilege_type, ' (' || quote_ident(privileges.column_name) || ')', views.name,
            case when acl.grantee = 0 then 'public' else acl.grantee::regrole::text end,
            case when acl.is_grantable then ' with grant option' end
        ), '; ') as statements
        from views
        inner join privileges on views.oid = privileges.oid
        cross join lateral aclexplode(privileges.acl) as acl
        group by views.oid
    ),

    comments as (
        select views.oid, string_agg(case
            when description.objsubid = 0 then format('comment on view %s is %L', views.name, description.description)
            else format('comment on column %s.%I is %L', views.name, attribute.attname, description.description)
        end, '; ') as statements
        from views
        inner join pg_catalog.pg_description as description
            on views.oid = description.objoid and description.classoid = 'pg_class'::regclass
        left join pg_catalog.pg_attribute as attribute
            on description.objoid = attribute.attrelid and description.objsubid = attribute.attnum
        where views.oid <> target  -- its own comments are written by persist_docs
        group by views.oid
    )

    select
        string_agg(views.name, ', ' order by views.depth) filter (where views.oid <> target),
        string_agg(format('drop view %s', views.name), '; ' order by views.depth desc),
        string_agg(concat_ws(
            '; ',
            format(
                'create view %s%s as %s', views.name,
                ' with (' || array_to_string(views.reloptions, ', ') || ')',
                case
                    when views.oid = target then {{ dbt.string_literal(dbt.escape_single_quotes(sql)) }}
                    else rtrim(pg_get_viewdef(views.oid), ';')
                end
            ),
            format('alter view %s owner to %s', views.name, views.relowner::regrole),
            grants.statements, comments.statements
        ), '; ' order by views.depth)
    into built_on_it, drop_all, recreate
    from views
    left join grants on views.oid = grants.oid
    left join comments on views.oid = comments.oid;

    begin
        {{ without_queueing_block('execute drop_all; execute recreate;') | indent(8) }}
    exception when others then
        get stacked diagnostics reason = message_text, detail = pg_exception_detail;
        raise exception using
            message = format(
                'the columns of %s change in a way that PostgreSQL cannot replace in place, and what was built on it '
                'cannot follow (%s): %s', target, coalesce(built_on_it, 'no view'), reason
            ),
            detail = detail,
            hint = 'Nothing was changed. Keep the column, or change or drop what uses it, then run dbt again.';
    end;
end
$dbt_swap$
{%- endmacro %}


{#-
    Run DDL that needs a moment alone with a relation, without making readers wait behind it: a waiting exclusive lock
    blocks everybody who comes after it, so it gives up after 100 ms, lets them pass, and tries again for two minutes.
-#}
{% macro without_queueing(statement) -%}
do $dbt_alone$
begin
    {{ without_queueing_block('execute $dbt_ddl$' ~ statement ~ '$dbt_ddl$;') | indent(4) }}
end
$dbt_alone$
{%- endmacro %}


{#- The PL/pgSQL of `without_queueing`, for use inside a block of one's own. -#}
{% macro without_queueing_block(plpgsql) -%}
for attempt in 1..300 loop
    begin
        set local lock_timeout = '100ms';
        {{ plpgsql }}
        set local lock_timeout to default;
        exit;
    exception when lock_not_available then
        if attempt = 300 then
            raise lock_not_available using
                message = 'a query that has been running for two minutes holds what is to be changed',
                hint = 'Nothing was changed. End that query (see pg_stat_activity), or wait, then run dbt again.';
        end if;
    end;
    perform pg_sleep(0.3);
end loop;
{%- endmacro %}
