/*---
title: The server offers TLS, and nothing older or weaker than 1.2
subject: setting
universe: settings of TLS
priority: P1
effort: S
credit: binary
why: |
  Without ssl = on nobody can come in encrypted. With it, a floor under TLS 1.2 or a list of ciphers that takes in
  anonymous or broken ones lets whoever sits between choose the weakest that both sides know.
mend: |
  ssl = on, with ssl_cert_file and ssl_key_file; ssl_min_protocol_version = 'TLSv1.2' (or 'TLSv1.3');
  ssl_ciphers = 'HIGH:!aNULL'; then select pg_reload_conf();
links:
  - https://www.postgresql.org/docs/current/runtime-config-connection.html#RUNTIME-CONFIG-CONNECTION-SSL
---*/
-- A cipher list is weak where it names a weak group, or a wide one and does not take the anonymous ones out of it.
-- "none" is what a server without TLS built in has.
select
    s.name as subject,
    case s.name
        when 'ssl' then s.reset_val = 'on'
        when 'ssl_min_protocol_version' then s.reset_val in ('TLSv1.2', 'TLSv1.3')
        when 'ssl_prefer_server_ciphers' then s.reset_val = 'on'
        else
            s.reset_val !~* pg_catalog.concat(
                '(^|[:, +]|(^|[:, ])[A-Z0-9][A-Z0-9-]*-)',
                '(aNULL|eNULL|NULL|ADH|AECDH|EXP(ORT)?(40|56)?|LOW|RC4|RC2|MD5|DES|ALL|COMPLEMENTOF\w+)',
                '($|[:, +@-])'
            )
            and (s.reset_val !~* '(^|[:, ])(HIGH|MEDIUM)($|[:, +@-])' or s.reset_val ~* '[!-](aNULL|ADH)')
    end as ok,
    case s.name
        when 'ssl_min_protocol_version'
            then
                E'alter system set ssl_min_protocol_version = ''TLSv1.2'';\nselect pg_catalog.pg_reload_conf();'
        when 'ssl_prefer_server_ciphers'
            then
                E'alter system set ssl_prefer_server_ciphers = on;\nselect pg_catalog.pg_reload_conf();'
        when 'ssl_ciphers'
            then
                E'alter system set ssl_ciphers = ''HIGH:!aNULL'';\nselect pg_catalog.pg_reload_conf();'
    end as remedy,
    s.reset_val as value
from pg_catalog.pg_settings as s
where s.name in ('ssl', 'ssl_min_protocol_version', 'ssl_ciphers', 'ssl_prefer_server_ciphers')
order by subject
