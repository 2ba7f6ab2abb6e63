--- near misses
create extension ltree;
--- broken: hstore
create extension hstore version '1.4';
