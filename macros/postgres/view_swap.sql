{#-
    Create the view anew, and with it every view built on it, in one transaction. It ends in plain DDL that fails where
    a view does not fit any more, and `drop view` without cascade fails where anything else than a view depends on it
    (a materialized view, a function): both leave everything as it was. So does a view that holds what would be lost.
    The search_path is short, so that each definition names the schemas it reads, and nobody's function is called.
-#}
{% macro stable_view_swap_sql(target_relation, sql) -%}
{%- set remake -%}
select
    array_agg(built.oid order by built.depth desc),
    array_agg(built.depth order by built.depth desc),
    string_agg(built.oid::regclass::text, ', ' order by built.depth) filter (where built.oid <> target)
into oids, depths, built_on_it
from (
    with recursive dependents (oid, depth) as (
        select target::oid, 0
        union all
        select rule.ev_class, dependents.depth + 1
        from dependents
        inner join lateral (
            select distinct pg_rewrite.ev_class
            from pg_depend
            inner join pg_rewrite on pg_depend.objid = pg_rewrite.oid
            where
                pg_depend.refclassid = 'pg_class'::regclass
                and pg_depend.classid = 'pg_rewrite'::regclass
                and pg_depend.refobjid = dependents.oid
                and pg_rewrite.ev_class <> dependents.oid
        ) as rule on true
    )

    select dependents.oid, max(dependents.depth) as depth
    from dependents
    inner join pg_class on dependents.oid = pg_class.oid
    where pg_class.relkind = 'v'
    group by dependents.oid
) as built;

-- Changes nothing, but from here on nobody else changes them. `lock table` would lock all that they read, too.
foreach view_oid in array oids loop
    execute (
        select format('alter view %I.%I owner to %s', namespace.nspname, class.relname, class.relowner::regrole)
        from pg_class as class
        inner join pg_namespace as namespace on class.relnamespace = namespace.oid
        where class.oid = view_oid
    );
end loop;

with views as (
    select class.oid, format('%I.%I', namespace.nspname, class.relname) as name, class.relowner, class.relacl,
        class.reloptions, built.depth
    from unnest(oids, depths) as built (oid, depth)
    inner join pg_class as class on built.oid = class.oid
    inner join pg_namespace as namespace on class.relnamespace = namespace.oid
),

losses as (
    select format('trigger %I of %s', tgname, views.name) as loss
    from views inner join pg_trigger on views.oid = tgrelid
    union all
    select format('rule %I of %s', rulename, views.name)
    from views inner join pg_rewrite on views.oid = ev_class and rulename <> '_RETURN'
    union all
    select format('default of column %I of %s', attname, views.name)
    from views inner join pg_attribute on views.oid = attrelid and atthasdef
),

privileges as (
    select views.oid, null as column_name, views.relacl as acl
    from views
    union all
    select views.oid, attribute.attname, attribute.attacl
    from views
    inner join pg_attribute as attribute on views.oid = attribute.attrelid
    {%- if model.columns %}
    -- A column that the view is to lose takes its grants with it.
    where views.oid <> target or attribute.attname in (
        {%- for column in model.columns -%} {{ sql_literal(column) }}{{ ', ' if not loop.last }} {%- endfor -%}
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
    inner join pg_description as description
        on views.oid = description.objoid and description.classoid = 'pg_class'::regclass
    left join pg_attribute as attribute
        on description.objoid = attribute.attrelid and description.objsubid = attribute.attnum
    where views.oid <> target  -- its own comments are written by persist_docs
    group by views.oid
)

select
    array_agg(views.name),
    (select string_agg(losses.loss, ', ') from losses),
    string_agg(format('drop view %s', views.name), '; ' order by views.depth desc),
    string_agg(concat_ws(
        '; ',
        format(
            'create view %s%s as %s', views.name,
            ' with (' || array_to_string(views.reloptions, ', ') || ')',
            case
                when views.oid = target then {{ sql_literal(sql) }}
                else rtrim(pg_get_viewdef(views.oid), ';')
            end
        ),
        format('alter view %s owner to %s', views.name, views.relowner::regrole), comments.statements
    ), '; ' order by views.depth),
    concat(string_agg(grants.statements, '; '))
into names, lost, drop_all, recreate, grant_again
from views
left join grants on views.oid = grants.oid
left join comments on views.oid = comments.oid;

if lost is not null then
    raise exception '% would be lost', lost;
end if;
execute drop_all;
execute recreate;

-- Roles that default privileges have just let in go out, before those come back who were in.
select concat(string_agg(format(
    'revoke all on %s from %s', views.name,
    case when acl.grantee = 0 then 'public' else acl.grantee::regrole::text end
), '; '))
into revoke_all
from unnest(names) as views (name)
inner join pg_class as class on views.name::regclass = class.oid
cross join lateral aclexplode(class.relacl) as acl
where acl.grantee <> class.relowner;
execute revoke_all;
execute grant_again;
{%- endset -%}

{{ settings_of_long_statements() }}
set local search_path = pg_catalog, pg_temp;
do $dbt_swap$
declare
    target constant regclass := {{ sql_literal(target_relation) }};
    oids oid[];
    depths int[];
    built_on_it text;
    view_oid oid;
    names text[];
    lost text;
    drop_all text;
    recreate text;
    revoke_all text;
    grant_again text;
    reason text; detail text;
begin
    {{ without_queueing_block(remake) | indent(4) }}
exception when others then
    get stacked diagnostics reason = message_text, detail = pg_exception_detail;
    raise exception using
        message = format(
            'the columns of %s change in a way that PostgreSQL cannot replace in place, and what was built on it '
            'cannot follow (%s): %s', target, coalesce(built_on_it, 'no view'), reason
        ),
        detail = detail,
        hint = 'Nothing was changed. Keep the column, or change or drop what uses it, then run dbt again.';
end
$dbt_swap$
{%- endmacro %}
