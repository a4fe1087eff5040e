{#- The problems of a CSV, in one line for the person who edited it; empty if there are none. -#}
{%- macro seed_refusal(csv) -%}
    {%- set problems = seed_shape_problems(csv) -%}
    {%- if not problems -%}
        {%- do problems.extend(seed_cell_problems(csv)) -%}
    {%- endif -%}
    {%- set own_check = config.meta_get('csv_checks', {}).get('problems') -%}
    {%- if own_check and not problems -%}
        {%- do problems.extend(context[own_check](csv)) -%}
    {%- endif -%}
    {%- if not problems and config.meta_get('csv_checks', {}).get('key') -%}
        {%- do problems.extend(run_query(seed_key_problems_sql(csv)).columns[0].values()) -%}
    {%- endif -%}
    {%- if problems -%}
        {%- set more = '; and ' ~ (problems | length - 20) ~ ' more' if problems | length > 20 -%}
        {{ return(model.original_file_path ~ ' ' ~ problems[:20] | join('; ') ~ more) }}
    {%- endif -%}
    {{ return('') }}
{%- endmacro -%}


{%- macro seed_shape_problems(csv) -%}
    {%- if csv is undefined -%}
        {{ return(['line 1: the file is empty']) }}
    {%- endif -%}
    {%- set checks = config.meta_get('csv_checks', {}) -%}
    {%- set found = csv.column_names | list -%}
    {%- set needed = (config.get('column_types') or {}).keys() | list -%}
    {%- set expected = needed + checks.get('optional', {}).keys() | list -%}
    {%- if found | length == 1 and (';' in found[0] or '\t' in found[0]) -%}
        {{ return([
            'line 1: the cells are separated by ' ~ ('semicolons' if ';' in found[0] else 'tabs')
            ~ ', not by commas. Save it from Excel as "CSV UTF-8 (Comma delimited)"'
        ]) }}
    {%- elif expected and (found | reject('in', expected) | list or needed | reject('in', found) | list) -%}
        {{ return([
            'line 1: the header must be ' ~ expected | join(',') ~ ' but is ' ~ found | join(',')
            ~ (', with blanks around a name' if found | map('trim') | list != found)
            ~ ('. ' ~ checks.header_note if 'header_note' in checks)
        ]) }}
    {%- elif not seed_lines(csv) and not checks.get('may_be_empty') -%}
        {{ return(['line 2: the file has no line below its header']) }}
    {%- endif -%}
    {#- A quotation mark that is never closed swallows the lines after it: the numbers of those are unknown. -#}
    {%- for line, row in seed_lines(csv) -%}
        {%- for cell in row if cell is string and '\n' in cell -%}
            {{ return(['line ' ~ line ~ ': a quotation mark (") is opened here and not closed on the same line']) }}
        {%- endfor -%}
    {%- endfor -%}
    {{ return([]) }}
{%- endmacro -%}


{%- macro seed_cell_problems(csv) -%}
    {%- set checks = config.meta_get('csv_checks', {}) -%}
    {%- set forms = {
        'boolean': ['(?i)true|false', 'true or false'],
        'date': [
            '(?![0-9]{2}(?:[02468][1235679]|[13579][01345789])-02-29)[0-9]{4}'
            '-(?!(?:0[2469]|11)-31|02-30)(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])',
            'a date as 2026-01-31',
        ],
        'integer': ['-?[0-9]+', 'a whole number'],
        'numeric': ['-?[0-9]+([.][0-9]+)?', 'a number as 1234.5'],
    } -%}
    {%- set types = seed_column_types(csv) -%}
    {%- set problems = [] -%}
    {%- for number, row in seed_lines(csv) -%}
        {%- set line = 'line ' ~ number ~ ': ' -%}
        {%- set kind = row[checks.ranges_by] | string | trim if 'ranges_by' in checks else none -%}
        {%- for column in csv.column_names -%}
            {%- set cell = row[column] -%}
            {%- set form = forms.get(types[column].split('(')[0]) -%}
            {%- set accepted = checks.get('accepted_values', {}).get(column) -%}
            {%- set range = checks.get('ranges', {}).get(column, {}).get(kind) -%}
            {%- if cell is none or not cell | string | trim -%}
                {%- if column in checks.get('required', []) -%}
                    {%- do problems.append(
                        line ~ column ~ ' is empty'
                        ~ (': a comma belongs where the semicolon is' if ';' in row[0] | string)
                    ) -%}
                {%- elif range -%}
                    {%- do problems.append(line ~ column ~ ' is empty, and ' ~ kind ~ ' needs it') -%}
                {%- endif -%}
            {%- elif cell is string and cell.count('"') % 2 -%}
                {%- do problems.append(line ~ column ~ ' holds a lone quotation mark (")') -%}
            {%- elif form and not modules.re.fullmatch(form[0], cell | string | trim) -%}
                {%- do problems.append(line ~ column ~ " '" ~ cell ~ "' must be " ~ form[1]) -%}
            {%- elif accepted and cell | string | trim not in accepted -%}
                {%- do problems.append(
                    line ~ column ~ " '" ~ cell ~ "' must be one of " ~ accepted | join(', ')
                ) -%}
            {%- elif range and not range[0] <= cell | float <= range[1] -%}
                {%- do problems.append(
                    line ~ column ~ " '" ~ cell ~ "' must be from " ~ range | join(' to ') ~ ' for ' ~ kind
                ) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(problems) }}
{%- endmacro -%}


{#- A query for the problems between lines: contradictions, and values that are not listed. -#}
{%- macro seed_key_problems_sql(csv) -%}
    {%- set checks = config.meta_get('csv_checks') -%}
    {%- set canonical = checks.get('canonical') -%}
    {%- set spelled = [] -%}
    {%- set meaning = [] -%}
    {%- for name in csv.column_names -%}
        {%- do (spelled if name in checks.key else meaning).append(adapter.quote(name)) -%}
    {%- endfor -%}
    with keyed as (

        select
            line,
            {{ seed_key_sql(csv) }} as key,
            concat_ws(', ', {{ spelled | join(', ') }}) as spelled,
            concat_ws(', ', {{ meaning | join(', ') or 'null' }}) as meaning,
            {{ adapter.quote(canonical) if canonical else 'null::text' }} as canonical
        from ({{ seed_lines_sql(csv) }}) as lines

    ),

    first_lines as (

        select distinct on (key) *
        from keyed
        order by key, line

    ),

    problems as (

        select
            line,
            format('line %s: ''%s'' holds no letter or digit, so it can never match', line, spelled) as problem
        from keyed
        where array_position(key, null) is not null

        union all

        select
            keyed.line,
            format(
                'line %s: %s -> %s contradicts line %s: %s -> %s (case, punctuation and blanks do not count).'
                ' Delete one of them',
                keyed.line, keyed.spelled, keyed.meaning, first_lines.line, first_lines.spelled, first_lines.meaning
            )
        from keyed
        inner join first_lines on first_lines.key = keyed.key
        where first_lines.meaning <> keyed.meaning

        {% if canonical -%}
        union all

        select
            keyed.line,
            case
                when listed.line is null then format(
                    'line %1$s: ''%2$s'' is not in the list of values for {{ canonical }}.'
                    ' If it is a new one, add the line %2$s,%2$s', keyed.line, keyed.canonical
                )
                else format(
                    'line %s: {{ canonical }} ''%s'' stands on line %s as a spelling of ''%s'': write ''%4$s'' here',
                    keyed.line, keyed.canonical, listed.line, listed.canonical
                )
            end
        from keyed
        left join first_lines as listed
            on listed.key = array[{{ alias_key('keyed.canonical') }}]
        where listed.canonical is distinct from keyed.canonical

        {%- endif %}
    )

    select problem
    from problems
    order by line, problem
{%- endmacro -%}
