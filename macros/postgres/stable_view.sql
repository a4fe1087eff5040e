{#-
    A view that readers can rely on. See docs/how-derivation-heals.md for the reasons.

    * Nothing is done while the view in the database is what the model's SQL would create. PostgreSQL itself is
      asked: the SQL is made into a temporary view and both parsed definitions are compared. No fingerprint has
      to be kept, so a hand-made change is noticed, and a restored dump needs no rebuild.
    * Otherwise the view is replaced in place: it keeps its OID, its grants and the views built on it.
    * Where PostgreSQL cannot replace in place (a column dropped, renamed, moved or retyped) the view and the views
      built on it are created anew in one transaction, each with its own definition, owner, grants and comments.
      If one of them does not fit any more, or holds what would be lost (a trigger, a rule, a column default), nothing
      happens and the error names it. Never a cascade.
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
            {%- if config.get('contract').enforced -%}
                {{ get_assert_columns_equivalent(sql) }}
            {%- endif %}
            create temporary view {{ candidate_relation }} as (
            {{ sql }}
            )
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
            {#- Readers wait for this commit, and for nothing of what follows: grants have been kept by now. -#}
            {%- do adapter.commit() -%}
            {%- call statement('afterwards') -%} select 1 {%- endcall -%}
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
