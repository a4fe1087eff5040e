{{ config(materialized='stable_view', grants={'select': var('reader_roles')}) }}

with unmapped_spellings as (

    {{ all_unmapped_spellings() }}

),

-- Each key is worked out once, not again for every spelling that it is compared with.
aliases as materialized (

    select
        'department' as field,
        {{ alias_key('alias') }} as spelling_key,
        department as canonical
    from {{ ref('department_aliases') }}
    union all
    select
        'fuel_type' as field,
        {{ alias_key('alias') }} as spelling_key,
        fuel_type as canonical
    from {{ ref('fuel_type_aliases') }}

),

-- Per spelling a probe of the index on the text as typed: the cost follows the fills concerned, not history.
spellings_with_fills as (

    {% for field in ['department', 'fuel_type'] -%}
        select
            unmapped_spellings.field,
            unmapped_spellings.spelling,
            unmapped_spellings.spelling_key,
            count(*) as occurrences,
            min(coalesce(fills.filled_at, fills.created_at)) as first_seen,
            max(coalesce(fills.filled_at, fills.created_at)) as last_seen,
            coalesce(sum(fills.amount_kes), 0) as amount_kes
        from unmapped_spellings
        cross join
            lateral (
                select * from {{ ref('records') }} as records
                where records.{{ field }}_raw = unmapped_spellings.spelling
                limit all  -- a probe for each spelling, not one join
            ) as fills
        where
            unmapped_spellings.field = '{{ field }}'
            and fills.deleted_at is null
            and fills.absent_since is null
        group by unmapped_spellings.field, unmapped_spellings.spelling, unmapped_spellings.spelling_key
        {{ 'union all' if not loop.last }}
    {% endfor %}
),

-- Spellings that differ only in case, punctuation or blanks need one line in the CSV.
spellings_by_key as (

    select
        field,
        spelling_key,
        sum(occurrences)::bigint as occurrences,
        min(first_seen) as first_seen,
        max(last_seen) as last_seen,
        sum(amount_kes) as amount_kes,
        (array_agg(spelling order by occurrences desc, spelling asc))[1] as spelling  -- noqa: LT14
    from spellings_with_fills
    group by field, spelling_key, case when spelling_key is null then spelling end

),

with_suggestions as (

    select
        spellings_by_key.*,
        likeliest.canonical as suggested_value,
        likeliest.similarity
    from spellings_by_key
    left join lateral (
        select
            aliases.canonical,
            {{ likeness('aliases.spelling_key', 'spellings_by_key.spelling_key') }} as similarity
        from aliases
        where aliases.field = spellings_by_key.field
        order by similarity desc, aliases.canonical asc
        limit 1
    -- `sales dept` and `sales` have 0.55, `gear oil` and `gas oil` 0.42.
    ) as likeliest on likeliest.similarity >= 0.5

)

select
    field,
    spelling,
    occurrences,
    first_seen,
    last_seen,
    amount_kes::numeric(16, 2) as amount_kes,
    suggested_value,
    round(similarity, 2)::numeric(3, 2) as similarity,
    -- The key needs no quotes. dbt reads a cell `null` as empty; the dot does not count.
    case when spelling_key = 'null' then 'null.' else spelling_key end
    || ','
    || case
        when suggested_value ~ '[",]' then '"' || replace(suggested_value, '"', '""') || '"'
        else coalesce(suggested_value, '')
    end as csv_line
from with_suggestions
order by amount_kes desc, occurrences desc, field asc, spelling asc
