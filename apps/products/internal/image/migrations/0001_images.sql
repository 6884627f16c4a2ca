-- +goose Up

-- Every file in the file store, inserted before the upload, so that none is orphaned. A file without an image is
-- deleted after free_at.
create table image_files (
  name    uuid primary key,                                 -- of the file; its thumbnail has the suffix -small
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
  tag        text not null,                                 -- ETag: a hash of the bytes
  alt        text not null default '',
  position   int not null check (position >= 1),            -- from 1, without gaps
  created_at timestamptz not null default now(),
  unique (product_id, position) deferrable initially deferred
);
