select {{ canonical_value('department', 'raw_value', ref('department_aliases')) }}
