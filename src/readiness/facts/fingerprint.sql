-- What DDL makes, kind by kind, in the order in which it can be made; `fingerprint.py` puts the queries together.
--
-- Each yields (space, name, parent, body): the schema's name or '', the qualified name, the relation or type that it goes
-- with, and its properties, those at their default being null. Words in capitals are short forms that are expanded there:
-- PROPERTIES (a JSON object without its nulls), RIGHTS (an access list in order, defaults written out), OWNER, COMMENT, and
-- OWN (no member of an extension).

-- kind: common
member as materialized (
    select d.classid, d.objid from pg_catalog.pg_depend as d where d.deptype = 'e'
),
space as materialized (
    select n.oid, n.nspname as name, n.nspowner as owner, n.nspacl as acl
    from pg_catalog.pg_namespace as n
    where
        n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and n.nspname <> all($1::text[])
        and not {own}
        and OWN(pg_namespace, n.oid)
),
relation as materialized (
    select c.*, s.name as space, c.oid::regclass::text as name
    from pg_catalog.pg_class as c
    inner join space as s on c.relnamespace = s.oid
    where c.relpersistence <> 't' and c.relkind <> 't' and OWN(pg_class, c.oid)
),
kind_of_type as materialized (
    select t.*, s.name as space, pg_catalog.format('%I.%I', s.name, t.typname) as name
    from pg_catalog.pg_type as t
    inner join space as s on t.typnamespace = s.oid
    where OWN(pg_type, t.oid)
)

-- kind: schema
select s.name, pg_catalog.quote_ident(s.name), null,
    PROPERTIES(
        'owner', OWNER(s.owner),
        'rights', RIGHTS(s.acl, 'n', s.owner),
        'comment', COMMENT(pg_namespace, s.oid)
    )
from space as s

-- kind: extension
select '', pg_catalog.quote_ident(e.extname), null,
    PROPERTIES(
        'version', e.extversion,
        'schema', pg_catalog.quote_ident(n.nspname)
    )
from pg_catalog.pg_extension as e
inner join pg_catalog.pg_namespace as n on e.extnamespace = n.oid
where e.extname <> 'plpgsql'

-- kind: language
select '', pg_catalog.quote_ident(l.lanname), null,
    PROPERTIES(
        'trusted', l.lanpltrusted,
        'owner', OWNER(l.lanowner),
        'rights', RIGHTS(l.lanacl, 'l', l.lanowner)
    )
from pg_catalog.pg_language as l
where l.lanispl and l.lanname <> 'plpgsql' and OWN(pg_language, l.oid)

-- kind: access method
select '', pg_catalog.quote_ident(a.amname), null,
    PROPERTIES(
        'handler', a.amhandler::regproc::text,
        'type', a.amtype
    )
from pg_catalog.pg_am as a
where a.oid >= 16384 and OWN(pg_am, a.oid)

-- kind: collation
select s.name, pg_catalog.format('%I.%I', s.name, o.collname), null,
    PROPERTIES(
        'provider', o.collprovider,
        'collate', o.collcollate,
        'ctype', o.collctype,
        'locale', pg_catalog.to_jsonb(o) ->> 'colliculocale',
        'built-in locale', pg_catalog.to_jsonb(o) ->> 'colllocale',
        'rules', pg_catalog.to_jsonb(o) ->> 'collicurules',
        'deterministic', o.collisdeterministic,
        'owner', OWNER(o.collowner),
        'comment', COMMENT(pg_collation, o.oid)
    )
from pg_catalog.pg_collation as o
inner join space as s on o.collnamespace = s.oid
where OWN(pg_collation, o.oid)

-- kind: conversion
select s.name, pg_catalog.format('%I.%I', s.name, o.conname), null,
    PROPERTIES(
        'from', pg_catalog.pg_encoding_to_char(o.conforencoding),
        'to', pg_catalog.pg_encoding_to_char(o.contoencoding),
        'function', o.conproc::text,
        'default', o.condefault
    )
from pg_catalog.pg_conversion as o
inner join space as s on o.connamespace = s.oid
where OWN(pg_conversion, o.oid)

-- kind: type
select t.space, t.name, null,
    PROPERTIES(
        'form', case t.typtype when 'e' then 'enum' when 'd' then 'domain' when 'c' then 'composite' when 'r' then 'range' when 'm' then 'multirange' else 'base' end,
        'labels', (select pg_catalog.array_agg(e.enumlabel order by e.enumsortorder) from pg_catalog.pg_enum as e where e.enumtypid = t.oid),
        'base', case when t.typtype = 'd' then pg_catalog.format_type(t.typbasetype, t.typtypmod) end,
        'not null', nullif(t.typnotnull, false),
        'default', t.typdefault,
        'collation', (select pg_catalog.format('%I.%I', n.nspname, o.collname) from pg_catalog.pg_collation as o inner join pg_catalog.pg_namespace as n on o.collnamespace = n.oid where o.oid = t.typcollation and t.typtype = 'd' and o.collname <> 'default'),
        'subtype', (select pg_catalog.format_type(r.rngsubtype, null) from pg_catalog.pg_range as r where r.rngtypid = t.oid),
        'difference', (select nullif(r.rngsubdiff::text, '-') from pg_catalog.pg_range as r where r.rngtypid = t.oid),
        'input', case when t.typtype = 'b' then t.typinput::text end,
        'output', case when t.typtype = 'b' then t.typoutput::text end,
        'owner', OWNER(t.typowner),
        'rights', RIGHTS(t.typacl, 'T', t.typowner),
        'comment', COMMENT(pg_type, t.oid)
    )
from kind_of_type as t
where
    (
        t.typtype in ('e', 'd', 'r', 'b')
        or exists (select from pg_catalog.pg_class as c where c.oid = t.typrelid and c.relkind = 'c')
    )
    and not exists (select from pg_catalog.pg_type as e where e.typarray = t.oid)

-- kind: sequence
select r.space, r.name,
    d.refobjid::regclass::text,
    PROPERTIES(
        'type', pg_catalog.format_type(q.seqtypid, null),
        'start', q.seqstart,
        'increment', q.seqincrement,
        'minimum', q.seqmin,
        'maximum', q.seqmax,
        'cache', q.seqcache,
        'cycle', nullif(q.seqcycle, false),
        'owned by', d.refobjid::regclass::text || '.' || pg_catalog.quote_ident(a.attname),
        'identity', nullif(d.deptype = 'i', false),
        'unlogged', nullif(r.relpersistence = 'u', false),
        'owner', OWNER(r.relowner),
        'rights', RIGHTS(r.relacl, 's', r.relowner),
        'comment', COMMENT(pg_class, r.oid)
    )
from relation as r
inner join pg_catalog.pg_sequence as q on q.seqrelid = r.oid
left join pg_catalog.pg_depend as d
    on d.classid = 'pg_class'::regclass and d.objid = r.oid and d.refclassid = 'pg_class'::regclass
    and d.deptype in ('a', 'i') and d.refobjsubid > 0
left join pg_catalog.pg_attribute as a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
where r.relkind = 'S'

-- kind: function
select s.name,
    pg_catalog.format('%I.%I(%s)', s.name, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid)), null,
    PROPERTIES(
        'form', case p.prokind when 'p' then 'procedure' when 'a' then 'aggregate' when 'w' then 'window' else 'function' end,
        'definition', case when p.prokind <> 'a' then pg_catalog.pg_get_functiondef(p.oid) end,
        'returns', pg_catalog.pg_get_function_result(p.oid),
        'aggregate', (select pg_catalog.array_remove(array[g.aggkind::text, g.aggtransfn::text, g.aggfinalfn::text, g.aggcombinefn::text, pg_catalog.format_type(g.aggtranstype, null), coalesce('initial ' || g.agginitval, 'none'), g.aggmtransfn::text, g.aggsortop::regoperator::text, p.proparallel::text], null) from pg_catalog.pg_aggregate as g where g.aggfnoid = p.oid),
        'owner', OWNER(p.proowner),
        'rights', RIGHTS(p.proacl, 'f', p.proowner),
        'comment', COMMENT(pg_proc, p.oid)
    )
from pg_catalog.pg_proc as p
inner join space as s on p.pronamespace = s.oid
where
    OWN(pg_proc, p.oid)
    -- a range type's constructors come and go with it
    and not exists (
        select from pg_catalog.pg_depend as i
        where i.classid = 'pg_proc'::regclass and i.objid = p.oid and i.deptype = 'i'
    )

-- kind: operator family
select s.name, pg_catalog.format('%I.%I using %I', s.name, f.opfname, m.amname), null,
    PROPERTIES(
        'items', (select pg_catalog.array_agg(i.told order by i.told collate "C") from (select pg_catalog.format('operator %s %s %s', a.amopstrategy, a.amopopr::regoperator, a.amoppurpose) as told from pg_catalog.pg_amop as a where a.amopfamily = f.oid union all select pg_catalog.format('function %s %s (%s, %s)', a.amprocnum, a.amproc, a.amproclefttype::regtype, a.amprocrighttype::regtype) from pg_catalog.pg_amproc as a where a.amprocfamily = f.oid) as i),
        'owner', OWNER(f.opfowner)
    )
from pg_catalog.pg_opfamily as f
inner join space as s on f.opfnamespace = s.oid
inner join pg_catalog.pg_am as m on f.opfmethod = m.oid
where OWN(pg_opfamily, f.oid)

-- kind: operator
select s.name, pg_catalog.format('%I.%s (%s, %s)', s.name, o.oprname, o.oprleft::regtype, o.oprright::regtype), null,
    PROPERTIES(
        'function', o.oprcode::text,
        'returns', o.oprresult::regtype::text,
        'commutator', nullif(o.oprcom, 0)::regoperator::text,
        'negator', nullif(o.oprnegate, 0)::regoperator::text,
        'hashes', o.oprcanhash,
        'merges', o.oprcanmerge,
        'restrict', o.oprrest::text,
        'join', o.oprjoin::text,
        'owner', OWNER(o.oprowner)
    )
from pg_catalog.pg_operator as o
inner join space as s on o.oprnamespace = s.oid
where OWN(pg_operator, o.oid)

-- kind: operator class
select s.name, pg_catalog.format('%I.%I using %I', s.name, o.opcname, m.amname), null,
    PROPERTIES(
        'type', o.opcintype::regtype::text,
        'default', o.opcdefault,
        'storage', nullif(o.opckeytype, 0)::regtype::text,
        'owner', OWNER(o.opcowner)
    )
from pg_catalog.pg_opclass as o
inner join space as s on o.opcnamespace = s.oid
inner join pg_catalog.pg_am as m on o.opcmethod = m.oid
where OWN(pg_opclass, o.oid)

-- kind: cast
select '', pg_catalog.format('%s as %s', c.castsource::regtype, c.casttarget::regtype), null,
    PROPERTIES(
        'function', nullif(c.castfunc, 0)::regprocedure::text,
        'context', c.castcontext,
        'method', c.castmethod
    )
from pg_catalog.pg_cast as c
where
    c.oid >= 16384 and OWN(pg_cast, c.oid)
    -- a range's cast to its multirange comes and goes with it
    and not exists (
        select from pg_catalog.pg_depend as i
        where i.classid = 'pg_cast'::regclass and i.objid = c.oid and i.deptype = 'i'
    )

-- kind: transform
select '', pg_catalog.format('for %s language %I', t.trftype::regtype, l.lanname), null,
    PROPERTIES(
        'from', t.trffromsql::text,
        'to', t.trftosql::text
    )
from pg_catalog.pg_transform as t
inner join pg_catalog.pg_language as l on t.trflang = l.oid
where OWN(pg_transform, t.oid)

-- kind: text search parser
select s.name, pg_catalog.format('%I.%I', s.name, p.prsname), null,
    PROPERTIES(
        'functions', array[p.prsstart::text, p.prstoken::text, p.prsend::text, p.prsheadline::text, p.prslextype::text]
    )
from pg_catalog.pg_ts_parser as p
inner join space as s on p.prsnamespace = s.oid
where OWN(pg_ts_parser, p.oid)

-- kind: text search template
select s.name, pg_catalog.format('%I.%I', s.name, t.tmplname), null,
    PROPERTIES(
        'functions', array[t.tmplinit::text, t.tmpllexize::text]
    )
from pg_catalog.pg_ts_template as t
inner join space as s on t.tmplnamespace = s.oid
where OWN(pg_ts_template, t.oid)

-- kind: text search dictionary
select s.name, pg_catalog.format('%I.%I', s.name, d.dictname), null,
    PROPERTIES(
        'template', d.dicttemplate::text,
        'options', d.dictinitoption,
        'owner', OWNER(d.dictowner)
    )
from pg_catalog.pg_ts_dict as d
inner join space as s on d.dictnamespace = s.oid
where OWN(pg_ts_dict, d.oid)

-- kind: text search configuration
select s.name, pg_catalog.format('%I.%I', s.name, c.cfgname), null,
    PROPERTIES(
        'parser', (select pg_catalog.format('%I.%I', n.nspname, p.prsname) from pg_catalog.pg_ts_parser as p inner join pg_catalog.pg_namespace as n on p.prsnamespace = n.oid where p.oid = c.cfgparser),
        'mappings', (select pg_catalog.array_agg(pg_catalog.format('%s %s %s', m.maptokentype, m.mapseqno, m.mapdict::regdictionary) order by m.maptokentype, m.mapseqno) from pg_catalog.pg_ts_config_map as m where m.mapcfg = c.oid),
        'owner', OWNER(c.cfgowner)
    )
from pg_catalog.pg_ts_config as c
inner join space as s on c.cfgnamespace = s.oid
where OWN(pg_ts_config, c.oid)

-- kind: foreign data wrapper
select '', pg_catalog.quote_ident(f.fdwname), null,
    PROPERTIES(
        'handler', f.fdwhandler::regproc::text,
        'validator', f.fdwvalidator::regproc::text,
        'owner', OWNER(f.fdwowner),
        'rights', RIGHTS(f.fdwacl, 'F', f.fdwowner)
    )
from pg_catalog.pg_foreign_data_wrapper as f
where OWN(pg_foreign_data_wrapper, f.oid)

-- kind: server
select '', pg_catalog.quote_ident(s.srvname), null,
    PROPERTIES(
        'wrapper', pg_catalog.quote_ident(f.fdwname),
        'type', s.srvtype,
        'version', s.srvversion,
        'options', (select pg_catalog.array_agg(case when o.option_name in ('host', 'port', 'dbname', 'fetch_size') then pg_catalog.format('%s=%s', o.option_name, o.option_value) else o.option_name end order by o.option_name) from pg_catalog.pg_options_to_table(s.srvoptions) as o),
        'owner', OWNER(s.srvowner),
        'rights', RIGHTS(s.srvacl, 'S', s.srvowner)
    )
from pg_catalog.pg_foreign_server as s
inner join pg_catalog.pg_foreign_data_wrapper as f on s.srvfdw = f.oid
where OWN(pg_foreign_server, s.oid)

-- kind: user mapping
select '', pg_catalog.format('%I at %I', m.usename, m.srvname), null, PROPERTIES(
        'mapped', true
    )
from pg_catalog.pg_user_mappings as m

-- kind: table
select r.space, r.name, (select i.inhparent::regclass::text from pg_catalog.pg_inherits as i where i.inhrelid = r.oid and r.relispartition),
    PROPERTIES(
        'form', case r.relkind when 'f' then 'foreign' when 'p' then 'partitioned' else 'plain' end,
        'unlogged', nullif(r.relpersistence = 'u', false),
        'partitioned by', case when r.relkind = 'p' then pg_catalog.pg_get_partkeydef(r.oid) end,
        'partition', case when r.relispartition then pg_catalog.pg_get_expr(r.relpartbound, r.oid) end,
        'inherits', (select pg_catalog.array_agg(i.inhparent::regclass::text order by i.inhseqno) from pg_catalog.pg_inherits as i where i.inhrelid = r.oid),
        'of type', (select t.oid::regtype::text from pg_catalog.pg_type as t where t.oid = nullif(r.reloftype, 0)),
        'access method', (select a.amname from pg_catalog.pg_am as a where a.oid = r.relam and a.amname <> 'heap'),
        'options', (select pg_catalog.array_agg(o.told order by o.told collate "C") from pg_catalog.unnest(r.reloptions) as o (told)),
        'tablespace', (select pg_catalog.quote_ident(t.spcname) from pg_catalog.pg_tablespace as t where t.oid = nullif(r.reltablespace, 0)),
        'row security', nullif(r.relrowsecurity, false),
        'row security forced', nullif(r.relforcerowsecurity, false),
        'replica identity', case r.relreplident when 'f' then 'full' when 'n' then 'nothing' when 'i' then 'index' end,
        'server', (select pg_catalog.quote_ident(s.srvname) from pg_catalog.pg_foreign_table as t inner join pg_catalog.pg_foreign_server as s on t.ftserver = s.oid where t.ftrelid = r.oid),
        'foreign options', (select pg_catalog.array_agg(o.told order by o.told collate "C") from pg_catalog.pg_foreign_table as t cross join pg_catalog.unnest(t.ftoptions) as o (told) where t.ftrelid = r.oid),
        'owner', OWNER(r.relowner),
        'rights', RIGHTS(r.relacl, 'r', r.relowner),
        'comment', COMMENT(pg_class, r.oid)
    )
from relation as r
where r.relkind in ('r', 'p', 'f')

-- kind: column
select r.space, pg_catalog.format('%s.%I', r.name, a.attname), r.name,
    PROPERTIES(
        'position', pg_catalog.row_number() over (partition by a.attrelid order by a.attnum),
        'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
        'not null', nullif(a.attnotnull, false),
        'not null not valid', {not_valid},
        'default', case when a.attgenerated = '' then pg_catalog.pg_get_expr(d.adbin, d.adrelid) end,
        'generated', case when a.attgenerated <> '' then pg_catalog.pg_get_expr(d.adbin, d.adrelid) end,
        'virtual', nullif(a.attgenerated = 'v', false),
        'identity', case a.attidentity when 'a' then 'always' when 'd' then 'by default' end,
        'collation', case when a.attcollation <> t.typcollation then (select pg_catalog.format('%I.%I', n.nspname, o.collname) from pg_catalog.pg_collation as o inner join pg_catalog.pg_namespace as n on o.collnamespace = n.oid where o.oid = a.attcollation) end,
        'storage', case when a.attstorage <> t.typstorage then case a.attstorage when 'p' then 'plain' when 'e' then 'external' when 'm' then 'main' else 'extended' end end,
        'compression', {compression},
        'statistics', {statistics},
        'options', a.attoptions,
        'foreign options', a.attfdwoptions,
        'inherited', nullif(a.attinhcount > 0 and not a.attislocal, false),
        'rights', case when a.attacl is not null then RIGHTS(a.attacl, 'c', r.relowner) end,
        'comment', k.description
    )
from relation as r
inner join pg_catalog.pg_attribute as a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
inner join pg_catalog.pg_type as t on a.atttypid = t.oid
left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
left join pg_catalog.pg_description as k on k.classoid = 'pg_class'::regclass and k.objoid = a.attrelid and k.objsubid = a.attnum
where r.relkind in ('r', 'p', 'f', 'c', 'v', 'm')

-- kind: index
select r.space, r.name, t.name,
    PROPERTIES(
        'definition', pg_catalog.pg_get_indexdef(r.oid),
        'invalid', nullif(not i.indisvalid, false),
        'not ready', nullif(not i.indisready, false),
        'constraint', (select k.conname from pg_catalog.pg_constraint as k where k.conindid = r.oid and k.contype in ('p', 'u', 'x') and k.conrelid = i.indrelid),
        'clustered', nullif(i.indisclustered, false),
        'replica identity', nullif(i.indisreplident, false),
        'partition', nullif(r.relispartition, false),
        'statistics', (select pg_catalog.array_agg(pg_catalog.format('%s=%s', a.attnum, a.attstattarget) order by a.attnum) from pg_catalog.pg_attribute as a where a.attrelid = r.oid and a.attstattarget >= 0),
        'tablespace', (select pg_catalog.quote_ident(s.spcname) from pg_catalog.pg_tablespace as s where s.oid = nullif(r.reltablespace, 0)),
        'comment', k.description
    )
from relation as r
inner join pg_catalog.pg_index as i on i.indexrelid = r.oid
inner join relation as t on i.indrelid = t.oid
left join pg_catalog.pg_description as k on k.classoid = 'pg_class'::regclass and k.objoid = r.oid and k.objsubid = 0
where r.relkind in ('i', 'I')

-- kind: constraint
select coalesce(r.space, t.space), pg_catalog.format('%s:%I', coalesce(r.name, t.name), c.conname), coalesce(r.name, t.name),
    PROPERTIES(
        'definition', pg_catalog.pg_get_constraintdef(c.oid),
        'type', c.contype,
        'inherited', nullif(c.conparentid <> 0 or (c.coninhcount > 0 and not c.conislocal), false),
        'domain', nullif(c.contypid <> 0, false),
        'comment', k.description
    )
from pg_catalog.pg_constraint as c
left join relation as r on c.conrelid = r.oid
left join kind_of_type as t on c.contypid = t.oid
left join pg_catalog.pg_description as k on k.classoid = 'pg_constraint'::regclass and k.objoid = c.oid and k.objsubid = 0
where c.contype in ('c', 'f', 'p', 'u', 'x') and coalesce(r.oid, t.oid) is not null

-- kind: statistics
select s.name, pg_catalog.format('%I.%I', s.name, e.stxname), r.name,
    PROPERTIES(
        'definition', pg_catalog.pg_get_statisticsobjdef(e.oid),
        'target', nullif(e.stxstattarget, -1),
        'owner', OWNER(e.stxowner)
    )
from pg_catalog.pg_statistic_ext as e
inner join space as s on e.stxnamespace = s.oid
inner join relation as r on e.stxrelid = r.oid
where OWN(pg_statistic_ext, e.oid)

-- kind: view
select r.space, r.name, null,
    PROPERTIES(
        'definition', pg_catalog.pg_get_viewdef(r.oid),
        'materialized', nullif(r.relkind = 'm', false),
        'not populated', nullif(r.relkind = 'm' and not r.relispopulated, false),
        'options', (select pg_catalog.array_agg(o.told order by o.told collate "C") from pg_catalog.unnest(r.reloptions) as o (told)),
        'owner', OWNER(r.relowner),
        'rights', RIGHTS(r.relacl, 'r', r.relowner),
        'comment', COMMENT(pg_class, r.oid)
    )
from relation as r
where r.relkind in ('v', 'm')

-- kind: rule
select r.space, pg_catalog.format('%s/%I', r.name, w.rulename), r.name,
    PROPERTIES(
        'definition', pg_catalog.pg_get_ruledef(w.oid),
        'enabled', nullif(w.ev_enabled, 'O'),
        'comment', COMMENT(pg_rewrite, w.oid)
    )
from pg_catalog.pg_rewrite as w
inner join relation as r on w.ev_class = r.oid
where w.rulename <> '_RETURN'

-- kind: trigger
select r.space, pg_catalog.format('%s/%I', r.name, g.tgname), r.name,
    PROPERTIES(
        'definition', pg_catalog.pg_get_triggerdef(g.oid),
        'fires', case g.tgenabled when 'D' then 'never' when 'R' then 'on replicas' when 'A' then 'always' end,
        'inherited', nullif(g.tgparentid <> 0, false),
        'comment', k.description
    )
from pg_catalog.pg_trigger as g
inner join relation as r on g.tgrelid = r.oid
left join pg_catalog.pg_description as k on k.classoid = 'pg_trigger'::regclass and k.objoid = g.oid and k.objsubid = 0
where not g.tgisinternal

-- kind: foreign key triggers
select r.space, pg_catalog.format('%s:%I', r.name, c.conname), r.name,
    PROPERTIES(
        'fires', pg_catalog.string_agg(distinct g.tgenabled::text, '' order by g.tgenabled::text)
    )
from pg_catalog.pg_trigger as g
inner join relation as r on g.tgrelid = r.oid
inner join pg_catalog.pg_constraint as c on g.tgconstraint = c.oid
where g.tgisinternal and g.tgenabled <> 'O'
group by r.space, r.name, c.conname

-- kind: policy
select r.space, pg_catalog.format('%s/%I', r.name, p.polname), r.name,
    PROPERTIES(
        'command', case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end,
        'restrictive', nullif(not p.polpermissive, false),
        'roles', (select pg_catalog.array_agg(x.name order by x.name collate "C") from (select case when o = 0 then 'public' else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(o)) end as name from pg_catalog.unnest(p.polroles) as o) as x),
        'using', pg_catalog.pg_get_expr(p.polqual, p.polrelid),
        'check', pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid),
        'comment', COMMENT(pg_policy, p.oid)
    )
from pg_catalog.pg_policy as p
inner join relation as r on p.polrelid = r.oid

-- kind: event trigger
select '', pg_catalog.quote_ident(e.evtname), null,
    PROPERTIES(
        'event', e.evtevent,
        'function', e.evtfoid::regprocedure::text,
        'tags', e.evttags,
        'enabled', nullif(e.evtenabled, 'O'),
        'owner', OWNER(e.evtowner)
    )
from pg_catalog.pg_event_trigger as e
where OWN(pg_event_trigger, e.oid)

-- kind: publication
select '', pg_catalog.quote_ident(p.pubname), null,
    PROPERTIES(
        'all tables', p.puballtables,
        'publishes', array_remove(array[case when p.pubinsert then 'insert' end, case when p.pubupdate then 'update' end, case when p.pubdelete then 'delete' end, case when p.pubtruncate then 'truncate' end], null),
        'through the root', p.pubviaroot,
        'tables', (select pg_catalog.array_agg(l.prrelid::regclass::text order by l.prrelid::regclass::text) from pg_catalog.pg_publication_rel as l where l.prpubid = p.oid),
        'owner', OWNER(p.pubowner)
    )
from pg_catalog.pg_publication as p

-- kind: publication, since 15
select '', pg_catalog.quote_ident(p.pubname), null,
    PROPERTIES(
        'all tables', p.puballtables,
        'publishes', array_remove(array[case when p.pubinsert then 'insert' end, case when p.pubupdate then 'update' end, case when p.pubdelete then 'delete' end, case when p.pubtruncate then 'truncate' end], null),
        'through the root', p.pubviaroot,
        'tables', (select pg_catalog.array_agg(l.told order by l.told collate "C") from (select pg_catalog.format('%s%s%s', l.prrelid::regclass, ' (' || l.prattrs::text || ')', ' where ' || pg_catalog.pg_get_expr(l.prqual, l.prrelid)) as told from pg_catalog.pg_publication_rel as l where l.prpubid = p.oid) as l),
        'schemas', (select pg_catalog.array_agg(n.pnnspid::regnamespace::text order by n.pnnspid::regnamespace::text) from pg_catalog.pg_publication_namespace as n where n.pnpubid = p.oid),
        'owner', OWNER(p.pubowner)
    )
from pg_catalog.pg_publication as p

-- kind: subscription
select '', pg_catalog.quote_ident(s.subname), null,
    PROPERTIES(
        'enabled', s.subenabled,
        'publications', s.subpublications,
        'owner', OWNER(s.subowner)
    )
from pg_catalog.pg_subscription as s
where s.subdbid = (select d.oid from pg_catalog.pg_database as d where d.datname = pg_catalog.current_database())

-- kind: default rights
select coalesce(s.name, ''),
    pg_catalog.format('%I%s on %s', pg_catalog.pg_get_userbyid(d.defaclrole), ' in ' || pg_catalog.quote_ident(s.name),
        case d.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions' when 'T' then 'types'
        when 'n' then 'schemas' else 'large objects' end), null,
    PROPERTIES(
        'rights', RIGHTS(d.defaclacl, d.defaclobjtype, d.defaclrole)
    )
from pg_catalog.pg_default_acl as d
left join space as s on d.defaclnamespace = s.oid
where d.defaclnamespace = 0 or s.oid is not null

-- kind: setting
select '', 'of the database' || coalesce(' for ' || pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(nullif(g.setrole, 0))), ''), null,
    PROPERTIES(
        'values', (select pg_catalog.array_agg(o.told order by o.told collate "C") from pg_catalog.unnest(g.setconfig) as o (told))
    )
from pg_catalog.pg_db_role_setting as g
inner join pg_catalog.pg_database as d on g.setdatabase = d.oid
where d.datname = pg_catalog.current_database()

-- kind: security label
select coalesce(s.name, ''), pg_catalog.format('%s %s by %s', l.objtype, l.objname, l.provider), null, PROPERTIES(
        'label', l.label
    )
from pg_catalog.pg_seclabels as l
left join space as s on l.objnamespace = s.oid
where l.objnamespace is null or s.oid is not null
