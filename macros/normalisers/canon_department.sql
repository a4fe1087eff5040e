{#- A department is an alias of itself, or its CSV is refused: canon(canon(x)) = canon(x). -#}
{% macro canon_department(value) -%}
    (
        select
            coalesce(
                (
                    select min(aliases.department)
                    from {{ ref('department_aliases') }} as aliases
                    where {{ alias_key('aliases.alias') }} = typed.folded
                ),
                case when typed.folded is not null then typed.tidied end
            )
        from (
            select
                tidy.tidied,
                {{ alias_key('tidy.tidied') }} as folded
            from (select {{ tidy_text(value) }} as tidied limit all) as tidy
            limit all
        ) as typed
    )
{%- endmacro %}


{#- Blanks folded and trimmed, each word with one capital. Small letters first, and composed: the plain i of a
    dotted capital one and the accent after it would pass for two words. -#}
{% macro tidy_text(value) -%}
    normalize(
        initcap(
            normalize(
                lower(
                    btrim(
                        regexp_replace(left({{ clean_text('left(' ~ value ~ ', 500)') }}, 500), e'[\\s\\u0085\\u1680\\u2028\\u2029]+', ' ', 'g')
                    ) collate "default"
                ),
                nfkc
            )
        ),
        nfkc
    )
{%- endmacro %}
