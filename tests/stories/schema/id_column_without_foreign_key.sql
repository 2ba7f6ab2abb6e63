--- near misses
create table users (id uuid primary key);
create table categories (id int primary key);
create table boxes (id int primary key);
create table fine (id int primary key, user_id uuid references users, external_id text, order_id int);
create table other_type (user_id int);
create table composite (a int, b int, primary key (a, b));
create table refers (composite_id int);
create schema elsewhere;
create table elsewhere.far (user_id uuid);
create table payment (payment_id int primary key);
create table payment_2024 () inherits (payment);
--- broken: public.orphan.user_id, public.orphan.category_id, public.orphan.box_id, public."T, 🔑".user_id
create table orphan (id int primary key, user_id uuid, category_id int, box_id int);
create table "T, 🔑" (user_id uuid) partition by hash (user_id);
