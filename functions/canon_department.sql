select {{ canon_department('raw_value') }}
