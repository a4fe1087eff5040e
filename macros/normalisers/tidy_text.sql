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
