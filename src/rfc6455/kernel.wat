;; The fast run: decodes the ordinary frames of a chunk in one pass (RFC 6455 §5.2, §5.3); and, the other way, frames
;; many short messages in one.
;;
;; `run` walks headers, unmasks payload and lays it side by side, and says whether text was nothing but ASCII. It stops at
;; whatever is not ordinary: a control frame, an empty one, a reserved bit, a broken rule, a length of 2^32 or more, a header that is
;; not whole. frame-decoder.ts, which is the definition, takes that one header and comes back. So nothing is judged
;; here but "ordinary or not".
;;
;; Bounds. Whatever the bytes say: what is read lies in [at, end), since a header is read only after it was found to be
;; whole and payload is cut at `end`; what is written lies in [out, out + (end - at)), since each byte written was read
;; from a place of its own. `run` takes nothing unless all of both lies in the memory and both keep off each other and
;; off the record. Beyond the memory WebAssembly itself lets nobody.
;;
;; Assembled by tools/build-kernel.mjs; loaded by kernel.ts, which names the places of the record.

(module
  (import "slabs" "memory" (memory 1))

  ;; The record, in words at the start of the memory.
  ;; In and out:
  (global $LEFT i32 (i32.const 0))      ;; payload that the frame under way still has (unsigned)
  (global $KEY i32 (i32.const 4))       ;; its masking key, turned so that it begins with the next byte's
  (global $MESSAGE i32 (i32.const 8))   ;; opcode of the message under way, 0 for none
  (global $FIN i32 (i32.const 12))      ;; whether that frame is the message's last
  ;; In:
  (global $EACH i32 (i32.const 16))     ;; come back after each piece
  ;; Out:
  (global $OUT i32 (i32.const 20))      ;; where the payload ends
  (global $PIECE i32 (i32.const 24))    ;; where the piece begins that is to be looked at; OUT if there is none
  (global $LOOK i32 (i32.const 28))     ;; whether there is one
  (global $OPCODE i32 (i32.const 32))   ;; its message's
  (global $ENDS i32 (i32.const 36))     ;; whether it ends the message
  (global $HEADERS i32 (i32.const 40))  ;; how many headers were read
  (global $LENGTH i32 (i32.const 44))   ;; the payload length that the last of them gave (unsigned)
  (global $ASCII i32 (i32.const 48))    ;; whether the piece to look at is nothing but ASCII

  ;; Everything below this belongs to the record.
  (global $FLOOR i32 (i32.const 64))

  (func (export "run") (param $at i32) (param $end i32) (param $out i32) (result i32)
    (local $left i32) (local $key i32) (local $message i32) (local $fin i32)
    (local $piece i32) (local $size i32) (local $first i32) (local $length i32) (local $header i32)
    (local $headers i32) (local $opcode i32) (local $high i32) (local $top i32)

    (local.set $left (i32.load (global.get $LEFT)))
    (local.set $key (i32.load (global.get $KEY)))
    (local.set $message (i32.load (global.get $MESSAGE)))
    (local.set $fin (i32.load (global.get $FIN)))
    (i32.store (global.get $LOOK) (i32.const 0))
    (local.set $piece (local.get $out))

    (block $stop
      ;; The bounds of the head of this file.
      (local.set $top (i32.mul (memory.size) (i32.const 65536)))
      (br_if $stop (i32.lt_u (local.get $at) (global.get $FLOOR)))
      (br_if $stop (i32.lt_u (local.get $out) (global.get $FLOOR)))
      (br_if $stop (i32.gt_u (local.get $end) (local.get $top)))
      (br_if $stop (i32.gt_u (local.get $at) (local.get $end)))
      (br_if $stop (i32.gt_u (local.get $out) (local.get $top)))
      (local.set $size (i32.sub (local.get $end) (local.get $at)))
      (br_if $stop (i32.gt_u (local.get $size) (i32.sub (local.get $top) (local.get $out))))
      (br_if $stop
        (i32.and
          (i32.lt_u (local.get $out) (local.get $end))
          (i32.lt_u (local.get $at) (i32.add (local.get $out) (local.get $size)))))

      (loop $frame
        (if (i32.eqz (local.get $left))
          (then
            ;; A header: the two bytes that every frame has,
            (local.set $size (i32.sub (local.get $end) (local.get $at)))
            (br_if $stop (i32.lt_u (local.get $size) (i32.const 6)))
            (local.set $first (i32.load8_u (local.get $at)))
            ;; opcode and reserved bits together: in a message 0, else 1 or 2;
            (local.set $opcode (i32.and (local.get $first) (i32.const 0x7f)))
            (if (local.get $message)
              (then (br_if $stop (local.get $opcode)))
              (else (br_if $stop (i32.gt_u (i32.sub (local.get $opcode) (i32.const 1)) (i32.const 1)))))
            ;; masked;
            (local.set $length (i32.load8_u offset=1 (local.get $at)))
            (br_if $stop (i32.lt_u (local.get $length) (i32.const 0x80)))
            (local.set $length (i32.and (local.get $length) (i32.const 0x7f)))
            ;; not empty, for those may have to be counted;
            (br_if $stop (i32.eqz (local.get $length)))
            (local.set $header (i32.const 2))
            ;; the length, in the fewest bytes that it needs;
            (if (i32.ge_u (local.get $length) (i32.const 126))
              (then
                (if (i32.eq (local.get $length) (i32.const 126))
                  (then
                    (br_if $stop (i32.lt_u (local.get $size) (i32.const 8)))
                    (local.set $length
                      (i32.or
                        (i32.shl (i32.load8_u offset=2 (local.get $at)) (i32.const 8))
                        (i32.load8_u offset=3 (local.get $at))))
                    (br_if $stop (i32.lt_u (local.get $length) (i32.const 126)))
                    (local.set $header (i32.const 4)))
                  (else
                    (br_if $stop (i32.lt_u (local.get $size) (i32.const 14)))
                    (br_if $stop (i32.load offset=2 align=1 (local.get $at)))
                    (local.set $length
                      (i32.or
                        (i32.or
                          (i32.shl (i32.load8_u offset=6 (local.get $at)) (i32.const 24))
                          (i32.shl (i32.load8_u offset=7 (local.get $at)) (i32.const 16)))
                        (i32.or
                          (i32.shl (i32.load8_u offset=8 (local.get $at)) (i32.const 8))
                          (i32.load8_u offset=9 (local.get $at)))))
                    (br_if $stop (i32.lt_u (local.get $length) (i32.const 0x10000)))
                    (local.set $header (i32.const 10))))))
            ;; and the key, in the order of its bytes.
            (local.set $at (i32.add (local.get $at) (local.get $header)))
            (local.set $key (i32.load align=1 (local.get $at)))
            (local.set $at (i32.add (local.get $at) (i32.const 4)))
            (local.set $left (local.get $length))
            (local.set $fin (i32.shr_u (local.get $first) (i32.const 7)))
            (if (local.get $opcode) (then (local.set $message (local.get $opcode))))
            (local.set $headers (i32.add (local.get $headers) (i32.const 1)))
            (i32.store (global.get $LENGTH) (local.get $length))))

        ;; As much of its payload as there is.
        (local.set $size (i32.sub (local.get $end) (local.get $at)))
        (if (i32.gt_u (local.get $size) (local.get $left)) (then (local.set $size (local.get $left))))
        (local.set $piece (local.get $out))
        (local.set $high (call $unmask (local.get $at) (local.get $out) (local.get $size) (local.get $key)))
        (local.set $at (i32.add (local.get $at) (local.get $size)))
        (local.set $out (i32.add (local.get $out) (local.get $size)))
        (local.set $left (i32.sub (local.get $left) (local.get $size)))
        (local.set $key (i32.rotr (local.get $key) (i32.shl (local.get $size) (i32.const 3))))
        (local.set $opcode (local.get $message))
        (local.set $size (i32.and (local.get $fin) (i32.eqz (local.get $left)))) ;; from here: ends the message
        (if (local.get $size) (then (local.set $message (i32.const 0))))

        ;; A piece that somebody has to look at: asked for, or text that is not ASCII.
        (if (i32.or
              (i32.load (global.get $EACH))
              (i32.and (i32.eq (local.get $opcode) (i32.const 1)) (i32.ne (local.get $high) (i32.const 0))))
          (then
            (i32.store (global.get $LOOK) (i32.const 1))
            (i32.store (global.get $OPCODE) (local.get $opcode))
            (i32.store (global.get $ENDS) (local.get $size))
            (i32.store (global.get $ASCII) (i32.eqz (local.get $high)))
            (br $stop)))
        (local.set $piece (local.get $out))
        (br_if $frame (i32.eqz (local.get $left)))))

    (i32.store (global.get $LEFT) (local.get $left))
    (i32.store (global.get $KEY) (local.get $key))
    (i32.store (global.get $MESSAGE) (local.get $message))
    (i32.store (global.get $FIN) (local.get $fin))
    (i32.store (global.get $OUT) (local.get $out))
    (i32.store (global.get $PIECE) (local.get $piece))
    (i32.store (global.get $HEADERS) (local.get $headers))
    (local.get $at))

  ;; The way back: lays a server's frame (§5.2) around each of the short messages in [at, end) that end with a delimiter,
  ;; side by side in [out, limit), and returns where the first message begins that is not done. `last` is the delimiter's
  ;; last byte and `before` the one in front of that, or -1; `first` is what each frame begins with.
  ;;
  ;; It stops before a message of more than 125 bytes, before one whose end is not among the bytes of which 16 can be read at
  ;; a time, and where less than a longest frame has room. OUT says where the last frame ends.
  ;;
  ;; Bounds, as above: 16 bytes are read only where as many are left; what is written for one message lies within 2 + 128
  ;; bytes, for which there was room.
  (func (export "frame")
    (param $at i32) (param $end i32) (param $out i32) (param $limit i32)
    (param $last i32) (param $before i32) (param $first i32) (result i32)
    (local $top i32) (local $size i32) (local $done i32) (local $found i32) (local $length i32)
    (local $block v128) (local $ends v128)

    (local.set $ends (i8x16.splat (local.get $last)))
    (block $stop
      (local.set $top (i32.mul (memory.size) (i32.const 65536)))
      (br_if $stop (i32.lt_u (local.get $at) (global.get $FLOOR)))
      (br_if $stop (i32.lt_u (local.get $out) (global.get $FLOOR)))
      (br_if $stop (i32.gt_u (local.get $end) (local.get $top)))
      (br_if $stop (i32.gt_u (local.get $limit) (local.get $top)))
      (br_if $stop (i32.gt_u (local.get $at) (local.get $end)))
      (br_if $stop (i32.gt_u (local.get $out) (local.get $limit)))
      (br_if $stop
        (i32.and
          (i32.lt_u (local.get $out) (local.get $end))
          (i32.lt_u (local.get $at) (local.get $limit))))

      (loop $message
        (br_if $stop (i32.lt_u (i32.sub (local.get $limit) (local.get $out)) (i32.const 130)))
        (local.set $done (i32.const 0))
        (loop $step
          (local.set $size (i32.sub (local.get $end) (local.get $at)))
          (br_if $stop (i32.lt_u (local.get $size) (i32.add (local.get $done) (i32.const 16))))
          ;; Copied while it is looked at: what lies behind the delimiter, the next message writes over.
          (local.set $block (v128.load align=1 (i32.add (local.get $at) (local.get $done))))
          (v128.store offset=2 align=1 (i32.add (local.get $out) (local.get $done)) (local.get $block))
          (local.set $found (i8x16.bitmask (i8x16.eq (local.get $block) (local.get $ends))))
          (block $none
            (loop $next
              (br_if $none (i32.eqz (local.get $found)))
              (local.set $length
                (i32.add (i32.add (local.get $done) (i32.ctz (local.get $found))) (i32.const 1)))
              ;; A last byte without the one before it ends nothing.
              (if (i32.ge_s (local.get $before) (i32.const 0))
                (then
                  (if (i32.or
                        (i32.lt_u (local.get $length) (i32.const 2))
                        (i32.ne
                          (i32.load8_u
                            (i32.sub (i32.add (local.get $at) (local.get $length)) (i32.const 2)))
                          (local.get $before)))
                    (then
                      (local.set $found
                        (i32.and (local.get $found) (i32.sub (local.get $found) (i32.const 1))))
                      (br $next)))))
              (br_if $stop (i32.gt_u (local.get $length) (i32.const 125)))
              (i32.store8 (local.get $out) (local.get $first))
              (i32.store8 offset=1 (local.get $out) (local.get $length))
              (local.set $out (i32.add (local.get $out) (i32.add (local.get $length) (i32.const 2))))
              (local.set $at (i32.add (local.get $at) (local.get $length)))
              (br $message)))
          (local.set $done (i32.add (local.get $done) (i32.const 16)))
          (br_if $step (i32.lt_u (local.get $done) (i32.const 128))))))

    (i32.store (global.get $OUT) (local.get $out))
    (local.get $at))

  ;; Unmasks `size` bytes from `from` to `to`, and answers whether one of them is 0x80 or more (0: no).
  ;;
  ;; From 16 bytes on by 16, and the last 16 once more with those before them: a step is a multiple of the key's four
  ;; bytes, so the last one needs the key turned by what is over. Shorter ones in the same way by 8 and by 4.
  (func $unmask (param $from i32) (param $to i32) (param $size i32) (param $key i32) (result i32)
    (local $keys v128) (local $seen v128) (local $last i32) (local $turned i32)
    (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (local $long i64) (local $seenLong i64) (local $seenShort i32)

    (local.set $turned (i32.rotr (local.get $key) (i32.shl (local.get $size) (i32.const 3))))

    (if (i32.ge_u (local.get $size) (i32.const 16))
      (then
        (local.set $keys (i32x4.splat (local.get $key)))
        (local.set $last (i32.sub (i32.add (local.get $from) (local.get $size)) (i32.const 16)))
        ;; 64 at a time while there are as many,
        (block $done64
          (br_if $done64 (i32.lt_u (local.get $size) (i32.const 64)))
          (loop $by64
            (local.set $a (v128.xor (v128.load align=1 (local.get $from)) (local.get $keys)))
            (local.set $b (v128.xor (v128.load offset=16 align=1 (local.get $from)) (local.get $keys)))
            (local.set $c (v128.xor (v128.load offset=32 align=1 (local.get $from)) (local.get $keys)))
            (local.set $d (v128.xor (v128.load offset=48 align=1 (local.get $from)) (local.get $keys)))
            (v128.store align=1 (local.get $to) (local.get $a))
            (v128.store offset=16 align=1 (local.get $to) (local.get $b))
            (v128.store offset=32 align=1 (local.get $to) (local.get $c))
            (v128.store offset=48 align=1 (local.get $to) (local.get $d))
            (local.set $seen
              (v128.or
                (local.get $seen)
                (v128.or (v128.or (local.get $a) (local.get $b)) (v128.or (local.get $c) (local.get $d)))))
            (local.set $from (i32.add (local.get $from) (i32.const 64)))
            (local.set $to (i32.add (local.get $to) (i32.const 64)))
            (br_if $by64
              (i32.le_u (i32.add (local.get $from) (i32.const 48)) (local.get $last)))))
        ;; 16 at a time while more than 16 are left,
        (block $done16
          (loop $by16
            (br_if $done16 (i32.ge_u (local.get $from) (local.get $last)))
            (local.set $a (v128.xor (v128.load align=1 (local.get $from)) (local.get $keys)))
            (v128.store align=1 (local.get $to) (local.get $a))
            (local.set $seen (v128.or (local.get $seen) (local.get $a)))
            (local.set $from (i32.add (local.get $from) (i32.const 16)))
            (local.set $to (i32.add (local.get $to) (i32.const 16)))
            (br $by16)))
        ;; and the last 16.
        (local.set $to (i32.add (local.get $to) (i32.sub (local.get $last) (local.get $from))))
        (local.set $a (v128.xor (v128.load align=1 (local.get $last)) (i32x4.splat (local.get $turned))))
        (v128.store align=1 (local.get $to) (local.get $a))
        (return (i8x16.bitmask (v128.or (local.get $seen) (local.get $a))))))

    (if (i32.ge_u (local.get $size) (i32.const 8))
      (then
        (local.set $last (i32.sub (local.get $size) (i32.const 8)))
        (local.set $long (call $twice (local.get $key)))
        (local.set $seenLong (i64.xor (i64.load align=1 (local.get $from)) (local.get $long)))
        (i64.store align=1 (local.get $to) (local.get $seenLong))
        (local.set $long
          (i64.xor
            (i64.load align=1 (i32.add (local.get $from) (local.get $last)))
            (call $twice (local.get $turned))))
        (i64.store align=1 (i32.add (local.get $to) (local.get $last)) (local.get $long))
        (return
          (i64.ne
            (i64.and (i64.or (local.get $seenLong) (local.get $long)) (i64.const 0x8080808080808080))
            (i64.const 0)))))

    (if (i32.ge_u (local.get $size) (i32.const 4))
      (then
        (local.set $last (i32.sub (local.get $size) (i32.const 4)))
        (local.set $seenShort (i32.xor (i32.load align=1 (local.get $from)) (local.get $key)))
        (i32.store align=1 (local.get $to) (local.get $seenShort))
        (local.set $key
          (i32.xor (i32.load align=1 (i32.add (local.get $from) (local.get $last))) (local.get $turned)))
        (i32.store align=1 (i32.add (local.get $to) (local.get $last)) (local.get $key))
        (return
          (i32.and (i32.or (local.get $seenShort) (local.get $key)) (i32.const 0x80808080)))))

    ;; Up to three bytes.
    (local.set $last (i32.add (local.get $from) (local.get $size)))
    (block $done
      (loop $byte
        (br_if $done (i32.ge_u (local.get $from) (local.get $last)))
        (local.set $turned
          (i32.and (i32.xor (i32.load8_u (local.get $from)) (local.get $key)) (i32.const 0xff)))
        (i32.store8 (local.get $to) (local.get $turned))
        (local.set $seenShort (i32.or (local.get $seenShort) (local.get $turned)))
        (local.set $key (i32.rotr (local.get $key) (i32.const 8)))
        (local.set $from (i32.add (local.get $from) (i32.const 1)))
        (local.set $to (i32.add (local.get $to) (i32.const 1)))
        (br $byte)))
    (i32.and (local.get $seenShort) (i32.const 0x80)))

  ;; A key side by side with itself.
  (func $twice (param $key i32) (result i64)
    (i64.or
      (i64.extend_i32_u (local.get $key))
      (i64.shl (i64.extend_i32_u (local.get $key)) (i64.const 32)))))
