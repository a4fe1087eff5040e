select {{ alias_key('raw_value') }}
