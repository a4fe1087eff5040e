{#- An exact key first. Then spellings one slip away (a letter wrong, missing, too many, or two swapped) from an
    alias of five letters or more; as near to two fuels as to one is no answer. Plain SQL: extensions may not be
    creatable where this runs. -#}
{% macro canon_fuel_type(value) -%}
    (
        select
            coalesce(
                (
                    select min(aliases.fuel_type)
                    from {{ ref('fuel_type_aliases') }} as aliases
                    where typed.folded in ({{ alias_key('aliases.fuel_type') }}, {{ alias_key('aliases.alias') }})
                ),
                (
                    select case when min(near.fuel_type) = max(near.fuel_type) then min(near.fuel_type) end
                    from (
                        select
                            aliases.fuel_type,
                            {{ alias_key('aliases.alias') }} as folded
                        from {{ ref('fuel_type_aliases') }} as aliases
                        limit all
                    ) as near
                    where
                        length(near.folded) >= 5
                        and abs(length(near.folded) - length(typed.folded)) <= 1
                        and {{ one_slip_apart('typed.folded', 'near.folded') }}
                )
            )
        from (select {{ alias_key(value) }} as folded limit all) as typed
    )
{%- endmacro %}


{#- Whether the edit distance, with a swap of neighbours counting as one, is 1 (or 0). -#}
{% macro one_slip_apart(left_text, right_text) -%}
    exists (
        select
        from generate_series(1, length({{ left_text }}) + 1) as slip (at)
        where
            left({{ left_text }}, slip.at - 1) = left({{ right_text }}, slip.at - 1)
            and (
                substr({{ left_text }}, slip.at + 1) = substr({{ right_text }}, slip.at + 1)
                or substr({{ left_text }}, slip.at + 1) = substr({{ right_text }}, slip.at)
                or substr({{ left_text }}, slip.at) = substr({{ right_text }}, slip.at + 1)
                or (
                    substr({{ left_text }}, slip.at, 1) = substr({{ right_text }}, slip.at + 1, 1)
                    and substr({{ left_text }}, slip.at + 1, 1) = substr({{ right_text }}, slip.at, 1)
                    and substr({{ left_text }}, slip.at + 2) = substr({{ right_text }}, slip.at + 2)
                )
            )
    )
{%- endmacro %}
