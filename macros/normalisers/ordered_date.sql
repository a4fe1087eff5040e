{#- Epoch seconds or milliseconds if that is what was typed; else the text with its date turned year first. The head of a
    forwarded message stands in brackets (`[05/01/2026, 19:42:10] J. Mwangi:`); a time may come before its date. -#}
{% macro ordered_date(value) -%}
    select
        cast(
            substring(typed from '^(?:[0-9]{9,13}(?:[.][0-9]*)?|[0-9](?:[.][0-9]*)?e[+]?(?:[89]|1[012]))$') as numeric
        ) as epoch,
        regexp_replace(
            regexp_replace(
                regexp_replace(
                    regexp_replace(typed, '([ ,][0-9]{2})([0-9]{2}) ?h(?:ou)?rs?', e'\\1:\\2'),
                    '([ ,][0-9]{1,2}) ?([ap][.]?m)', e'\\1:00 \\2'
                ),
                '^([0-9]{1,2})(?:st|nd|rd|th)?(?:[-/.]| +)([0-9]{1,2}|[a-z]{3,9})(?:[-/.]|[., ]+)([0-9]{4})(?![0-9])',
                e'\\3-\\2-\\1'
            ),
            '^([a-z]{3,9})[. ]+([0-9]{1,2})(?:st|nd|rd|th)?,? +([0-9]{4})(?![0-9])',
            e'\\3-\\1-\\2'
        ) as ordered
    from (
        select
            regexp_replace(
                regexp_replace(
                    regexp_replace(
                        regexp_replace(
                            rtrim(btrim(translate(lower({{ clean_text(value) }}), e'\t\n\r\uFFFD', '    '), ' "'''), ' -'),
                            '^[[(](?:([^][()]*[0-9][:h][0-9][^][()]*)[])].*|([^][()]*)[])])$', e'\\1\\2'
                        ),
                        '^([0-9]{1,2}[:h][0-9]{2}(?::[0-9]{2})?(?: ?[ap][.]?m[.]?)?(?: ?h(?:ou)?rs?)?)[ ,]+(?:on )?(.+)$',
                        e'\\2 \\1'
                    ),
                    '^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*[., ]+', ''
                ),
                '^([0-9]{1,2}(?:st|nd|rd|th)?(?:[-/.]| +)(?:[0-9]{1,2}|[a-z]{3,9})(?:[-/.]|[., ]+))(1[5-9]|[2-4][0-9])(?![0-9])',
                e'\\120\\2'
            ) as typed
        limit all
    ) as as_typed
    limit all
{%- endmacro %}


{% macro date_shape() -%}
    '^[0-9]{4}[-/. ](?:[0-9]{1,2}|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6})[-/. ][0-9]{1,2}'
{%- endmacro %}


{#- An offset right after a date is a time (`1/11/2026-07:42`); a comment may say another zone. -#}
{% macro date_time_shape() -%}
    {{ date_shape()[:-1] }}(?:(?:t|[ ,;|]+(?:(?:at|@|-) +)?)[0-9]{1,2}[:.h][0-9]{2}(?:[:.][0-9]{2}(?:[.,][0-9]+)?)? *(?:[ap][.]?m[.]?)? *(?:h(?:ou)?rs?)? *(?:(?:z|eat|(?:utc|gmt)?[-+][0-9]{2}(?::?[0-9]{2})?|utc|gmt) *(?:[[(].*)?)?)? *$'
{%- endmacro %}
