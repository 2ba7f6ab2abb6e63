--- near misses
create schema elsewhere;
create extension hstore schema elsewhere;
--- broken: ltree, btree_gin
create extension ltree schema public;
create extension btree_gin schema public;
