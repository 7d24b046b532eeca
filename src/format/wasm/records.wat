;; Checksums of records that lie one behind the other, and what follows from them. The same rules as
;; in record.ts and index-entry.ts, for many records in one call; records-wasm.ts is the one caller.
;;
;; Memory (records-wasm.ts says the same):
;;        0  tables for CRC-32, slicing by 16: table k at 1,024 * k
;;    16384  20 bytes: what the check of an index entry covers
;;    65536  the window: whole records, the first at its start
;;   327680  starts: a u32 for each record, from the start of the window
;;   360448  entries: 16 bytes for each record
;;   491520  end
(module
  (memory (export "memory") 8 8)

  ;; Where in memory the last call stopped.
  (global $stopped (export "stopped") (mut i32) (i32.const 0))

  ;; The inner state of a CRC-32 (inverted at both ends) after the bytes in [at, end).
  (func $crc (export "crc") (param $at i32) (param $end i32) (param $state i32) (result i32)
    (local $a i32) (local $b i32) (local $c i32) (local $d i32) (local $last i32)
    (local.set $last (i32.sub (local.get $end) (i32.const 16)))
    (block $sixteens
      (loop $next
        (br_if $sixteens (i32.gt_s (local.get $at) (local.get $last)))
        (local.set $a (i32.xor (local.get $state) (i32.load align=1 (local.get $at))))
        (local.set $b (i32.load offset=4 align=1 (local.get $at)))
        (local.set $c (i32.load offset=8 align=1 (local.get $at)))
        (local.set $d (i32.load offset=12 align=1 (local.get $at)))
        (local.set $state
          (i32.xor
            (i32.xor
              (i32.xor
                (i32.xor
                  (i32.load offset=7168 (i32.shl (i32.and (local.get $c) (i32.const 255)) (i32.const 2)))
                  (i32.load offset=6144 (i32.shl (i32.and (i32.shr_u (local.get $c) (i32.const 8)) (i32.const 255)) (i32.const 2))))
                (i32.xor
                  (i32.load offset=5120 (i32.shl (i32.and (i32.shr_u (local.get $c) (i32.const 16)) (i32.const 255)) (i32.const 2)))
                  (i32.load offset=4096 (i32.shl (i32.shr_u (local.get $c) (i32.const 24)) (i32.const 2)))))
              (i32.xor
                (i32.xor
                  (i32.load offset=3072 (i32.shl (i32.and (local.get $d) (i32.const 255)) (i32.const 2)))
                  (i32.load offset=2048 (i32.shl (i32.and (i32.shr_u (local.get $d) (i32.const 8)) (i32.const 255)) (i32.const 2))))
                (i32.xor
                  (i32.load offset=1024 (i32.shl (i32.and (i32.shr_u (local.get $d) (i32.const 16)) (i32.const 255)) (i32.const 2)))
                  (i32.load offset=0 (i32.shl (i32.shr_u (local.get $d) (i32.const 24)) (i32.const 2))))))
            (i32.xor
              (i32.xor
                (i32.xor
                  (i32.load offset=11264 (i32.shl (i32.and (local.get $b) (i32.const 255)) (i32.const 2)))
                  (i32.load offset=10240 (i32.shl (i32.and (i32.shr_u (local.get $b) (i32.const 8)) (i32.const 255)) (i32.const 2))))
                (i32.xor
                  (i32.load offset=9216 (i32.shl (i32.and (i32.shr_u (local.get $b) (i32.const 16)) (i32.const 255)) (i32.const 2)))
                  (i32.load offset=8192 (i32.shl (i32.shr_u (local.get $b) (i32.const 24)) (i32.const 2)))))
              (i32.xor
                (i32.xor
                  (i32.load offset=15360 (i32.shl (i32.and (local.get $a) (i32.const 255)) (i32.const 2)))
                  (i32.load offset=14336 (i32.shl (i32.and (i32.shr_u (local.get $a) (i32.const 8)) (i32.const 255)) (i32.const 2))))
                (i32.xor
                  (i32.load offset=13312 (i32.shl (i32.and (i32.shr_u (local.get $a) (i32.const 16)) (i32.const 255)) (i32.const 2)))
                  (i32.load offset=12288 (i32.shl (i32.shr_u (local.get $a) (i32.const 24)) (i32.const 2))))))))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $next)))
    (block $fours
      (loop $next
        (br_if $fours (i32.gt_s (i32.add (local.get $at) (i32.const 4)) (local.get $end)))
        (local.set $a (i32.xor (local.get $state) (i32.load align=1 (local.get $at))))
        (local.set $state
          (i32.xor
            (i32.xor
              (i32.load offset=3072 (i32.shl (i32.and (local.get $a) (i32.const 255)) (i32.const 2)))
              (i32.load offset=2048 (i32.shl (i32.and (i32.shr_u (local.get $a) (i32.const 8)) (i32.const 255)) (i32.const 2))))
            (i32.xor
              (i32.load offset=1024 (i32.shl (i32.and (i32.shr_u (local.get $a) (i32.const 16)) (i32.const 255)) (i32.const 2)))
              (i32.load offset=0 (i32.shl (i32.shr_u (local.get $a) (i32.const 24)) (i32.const 2))))))
        (local.set $at (i32.add (local.get $at) (i32.const 4)))
        (br $next)))
    (block $ones
      (loop $next
        (br_if $ones (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $state
          (i32.xor
            (i32.shr_u (local.get $state) (i32.const 8))
            (i32.load
              (i32.shl
                (i32.and (i32.xor (local.get $state) (i32.load8_u (local.get $at))) (i32.const 255))
                (i32.const 2)))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (local.get $state))

  ;; The CRC-32 of the bytes in [at, end).
  (func $crcOf (param $at i32) (param $end i32) (result i32)
    (i32.xor (call $crc (local.get $at) (local.get $end) (i32.const -1)) (i32.const -1)))

  ;; Writes the index entry of the record at $at. $flip is 0 for a firm entry, -1 for a provisional one.
  (func $entry (param $at i32) (param $out i32) (param $seq i64) (param $seed i32) (param $flip i32)
    (local $offset i64) (local $crc i32)
    (local.set $offset (i64.load offset=4 align=1 (local.get $at)))
    (local.set $crc (call $crcOf (local.get $at) (i32.add (local.get $at) (i32.const 32))))
    (i64.store (i32.const 16384) (local.get $seq))
    (i64.store (i32.const 16392) (local.get $offset))
    (i32.store (i32.const 16400) (local.get $crc))
    (i64.store (local.get $out) (local.get $offset))
    (i32.store offset=8 (local.get $out) (local.get $crc))
    (i32.store offset=12 (local.get $out)
      (i32.xor
        (i32.xor
          (call $crc (i32.const 16384) (i32.const 16404) (i32.xor (local.get $seed) (i32.const -1)))
          (i32.const -1))
        (local.get $flip))))

  ;; Gives each record in [at, end) the CRC of its data.
  (func (export "seal") (param $at i32) (param $end i32)
    (local $next i32)
    (block $done
      (loop $more
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $next
          (i32.add (i32.add (local.get $at) (i32.const 32)) (i32.load align=1 (local.get $at))))
        (i32.store offset=12 align=1 (local.get $at)
          (call $crcOf (i32.add (local.get $at) (i32.const 32)) (local.get $next)))
        (local.set $at (local.get $next))
        (br $more))))

  ;; Writes the index entries of the records in [at, end), the first of which is $seq, from $out on.
  (func (export "entries")
    (param $at i32) (param $end i32) (param $out i32) (param $seq f64) (param $seed i32) (param $flip i32)
    (local $n i64)
    (local.set $n (i64.trunc_f64_u (local.get $seq)))
    (block $done
      (loop $more
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (call $entry (local.get $at) (local.get $out) (local.get $n) (local.get $seed) (local.get $flip))
        (local.set $at
          (i32.add (i32.add (local.get $at) (i32.const 32)) (i32.load align=1 (local.get $at))))
        (local.set $out (i32.add (local.get $out) (i32.const 16)))
        (local.set $n (i64.add (local.get $n) (i64.const 1)))
        (br $more))))

  ;; Checks the records from the start of the window on, which lies at $position of its file, up to the
  ;; first that is not whole before $end, or not valid; writes where each starts and its firm entry.
  ;; $isOurs: an id that ends in 0x00 is a torn one. Returns how many; `stopped` is the end of the last.
  (func (export "walk")
    (param $end i32) (param $position f64) (param $seq f64) (param $seed i32) (param $isOurs i32)
    (result i32)
    (local $at i32) (local $next i32) (local $shift i64) (local $n i64) (local $start i32) (local $out i32) (local $id i32)
    (local.set $at (i32.const 65536))
    (local.set $start (i32.const 327680))
    (local.set $out (i32.const 360448))
    ;; A record's own offset less its place in memory.
    (local.set $shift (i64.sub (i64.trunc_f64_u (local.get $position)) (i64.const 65536)))
    (local.set $n (i64.trunc_f64_u (local.get $seq)))
    (block $done
      (loop $more
        (br_if $done (i32.gt_u (i32.add (local.get $at) (i32.const 32)) (local.get $end)))
        (br_if $done
          (i32.gt_u
            (i32.load align=1 (local.get $at))
            (i32.sub (i32.sub (local.get $end) (local.get $at)) (i32.const 32))))
        (local.set $next
          (i32.add (i32.add (local.get $at) (i32.const 32)) (i32.load align=1 (local.get $at))))
        (br_if $done
          (i64.ne
            (i64.load offset=4 align=1 (local.get $at))
            (i64.add (local.get $shift) (i64.extend_i32_u (local.get $at)))))
        ;; A UUID: variant 10, version 4 or 7.
        (br_if $done (i32.ne (i32.and (i32.load8_u offset=24 (local.get $at)) (i32.const 0xc0)) (i32.const 0x80)))
        (local.set $id (i32.shr_u (i32.load8_u offset=22 (local.get $at)) (i32.const 4)))
        (br_if $done (i32.and (i32.ne (local.get $id) (i32.const 4)) (i32.ne (local.get $id) (i32.const 7))))
        (br_if $done (i32.and (local.get $isOurs) (i32.eqz (i32.load8_u offset=31 (local.get $at)))))
        (br_if $done
          (i32.ne
            (i32.load offset=12 align=1 (local.get $at))
            (call $crcOf (i32.add (local.get $at) (i32.const 32)) (local.get $next))))
        (i32.store (local.get $start) (i32.sub (local.get $at) (i32.const 65536)))
        (call $entry (local.get $at) (local.get $out) (local.get $n) (local.get $seed) (i32.const 0))
        (local.set $start (i32.add (local.get $start) (i32.const 4)))
        (local.set $out (i32.add (local.get $out) (i32.const 16)))
        (local.set $n (i64.add (local.get $n) (i64.const 1)))
        (local.set $at (local.get $next))
        (br $more)))
    (global.set $stopped (i32.sub (local.get $at) (i32.const 65536)))
    (i32.div_u (i32.sub (local.get $start) (i32.const 327680)) (i32.const 4)))
)
