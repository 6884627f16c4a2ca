-- +goose Up

-- Every file in the store, noted before it is put there, so that none can be forgotten. One that no image has may go from
-- free_at on.
create table image_files (
  name    uuid primary key,                                 -- the file, and with "-small" after it its thumbnail
  free_at timestamptz not null
);

create index image_files_by_time on image_files (free_at);

create table product_images (
  id         bigint generated always as identity primary key,
  product_id bigint not null references products,
  file       uuid not null unique references image_files,
  media_type text not null,
  small_type text not null,
  width      int not null,
  height     int not null,
  tag        text not null,                                 -- of the bytes
  alt        text not null default '',
  position   int not null check (position >= 1),            -- from 1, without gaps
  created_at timestamptz not null default now(),
  unique (product_id, position) deferrable initially deferred
);
