{{ config(materialized='stable_view', grants={'select': var('reader_roles')}) }}

with unmapped_spellings as (

    {{ all_unmapped_spellings() }}

),

aliases as (

    select
        'department' as field,
        {{ alias_key('alias') }} as key,
        department as canonical
    from {{ ref('department_aliases') }}
    union all
    select
        'fuel_type',
        {{ alias_key('alias') }},
        fuel_type
    from {{ ref('fuel_type_aliases') }}

),

-- Per spelling a probe of the index on the text as typed: the cost follows the fills concerned, not history.
spellings_with_fills as (

    select
        unmapped_spellings.field,
        unmapped_spellings.spelling,
        unmapped_spellings.key,
        fills.*
    from unmapped_spellings
    cross join lateral (
        {%- for field in ['department', 'fuel_type'] %}
        select
            count(*) as occurrences,
            min(coalesce(filled_at, created_at)) as first_seen,
            max(coalesce(filled_at, created_at)) as last_seen,
            coalesce(sum(amount_kes), 0) as amount_kes
        from {{ ref('records') }}
        where
            unmapped_spellings.field = '{{ field }}'
            and {{ field }}_raw = unmapped_spellings.spelling
            and deleted_at is null
            and absent_since is null
        having count(*) > 0
        {%- if not loop.last %}
        union all
        {%- endif %}
        {%- endfor %}
    ) as fills

),

-- Spellings that differ only in case, punctuation or blanks need one line in the CSV.
spellings_by_key as (

    select
        field,
        key,
        (array_agg(spelling order by occurrences desc, spelling))[1] as spelling,
        sum(occurrences)::bigint as occurrences,
        min(first_seen) as first_seen,
        max(last_seen) as last_seen,
        sum(amount_kes) as amount_kes
    from spellings_with_fills
    group by field, key, case when key is null then spelling end

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
            {{ trigram_similarity('aliases.key', 'spellings_by_key.key') }} as similarity
        from aliases
        where aliases.field = spellings_by_key.field
        order by similarity desc, aliases.canonical
        limit 1
    -- Two swapped letters in a short word leave 0.2.
    ) as likeliest on likeliest.similarity >= 0.2

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
    case when key = 'null' then 'null.' else key end
    || ','
    || case
        when suggested_value ~ '[",]' then '"' || replace(suggested_value, '"', '""') || '"'
        else coalesce(suggested_value, '')
    end as csv_line
from with_suggestions
order by amount_kes desc, occurrences desc, field, spelling
