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
