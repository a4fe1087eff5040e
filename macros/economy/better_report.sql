{#-
    Sub-select of the report that counts in place of `report`, out of the array `near_reports`: an array of its id, what
    was changed (`litres`, `amount_kes`, `odometer_km`; null if nothing was), and its value of that. No row if there is
    none.

    Two reports are of the same fill if they agree in two of litres, amount and odometer, and one of them leaves out the
    third or says something else: a reading only if the way between the two cannot have been driven, or is none. The one
    that says more is better, then the one whose reading fewer others contradict, then the later one.
-#}
{% macro better_report(near_reports, report) -%}
{%- set both_have_times = 'other.has_time is not false and ' ~ report ~ '.has_time is not false' -%}
select array[
    other.id,
    case when not other.is_repeated then other.differs_in end,
    case when not other.is_repeated then other.says end
]
from (
    select
        other.*,
        {{ reported('other') }} > {{ reported(report) }} as is_later,
        num_nonnulls(other.litres, other.amount_kes, other.reading_km)
        - num_nonnulls({{ report }}.litres, {{ report }}.amount_kes, {{ report }}.reading_km) as says_more,
        case other.differs_in
            when 'litres' then other.litres
            when 'amount_kes' then other.amount_kes
            else other.reading_km::numeric
        end::text as says,
        -- Nothing but left out, or the same again.
        {{ reported('other') }} < {{ reported(report) }}
        and case other.differs_in
            when 'litres' then {{ report }}.litres
            when 'amount_kes' then {{ report }}.amount_kes
            else {{ report }}.reading_km::numeric
        end is null as is_repeated
    from (
        select
            other.*,
            case
                when other.reading_km = {{ report }}.reading_km then
                    case
                        when {{ same_amount('other', report) }} and other.amount_kes is not null then 'litres'
                        when {{ same_litres('other', report) }} and other.litres is not null then 'amount_kes'
                    end
                when
                    {{ same_litres('other', report) }} and {{ same_amount('other', report) }}
                    and coalesce(other.litres, other.amount_kes) is not null
                    -- Kilometres in the direction of time.
                    and coalesce(not case
                        when other.filled_s = {{ report }}.filled_s then abs(other.reading_km - {{ report }}.reading_km)
                        else (other.reading_km - {{ report }}.reading_km) * sign(other.filled_s - {{ report }}.filled_s)
                    end between {{ economy_setting('resend_max_km') }} + 0.05 and case
                        when {{ both_have_times }} then {{ economy_setting('resend_max_drivable_km') }}
                        else {{ economy_setting('max_km_per_day') }}
                    end, true)
                    then 'odometer_km'
            end as differs_in
        from
            unnest({{ near_reports }}) as other (
                id text,
                created_at timestamptz,
                filled_s double precision,
                has_time boolean,
                litres numeric,
                amount_kes numeric,
                reading_km double precision,
                doubts int
            )
        where other.id <> {{ report }}.id
    ) as other
) as other
where
    other.differs_in is not null
    and case
        when other.says_more <> 0 then other.says_more > 0
        when other.differs_in = 'odometer_km' and other.reading_km is null then not other.is_later
        when other.differs_in = 'odometer_km' and other.doubts <> {{ report }}.doubts
            then other.doubts < {{ report }}.doubts
        else other.is_later
    end
order by other.says_more desc, other.doubts, {{ reported('other') }} desc
limit 1
{%- endmacro %}
