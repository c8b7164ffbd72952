;; Hashes of all runs of 20 letters (docs/formats.md, "Sketch"). JavaScript has no 64-bit integers but BigInt, which is
;; a hundred times slower; pairs of 32-bit numbers are ten times slower than this.
;;
;; `node page/build.mjs` translates this file into `runs.js`.

(module
  (memory (export "memory") 1)

  ;; The letters stand at 0 as 32-bit numbers. The hashes that are at most `most` are written to `out`, in the order of
  ;; their runs. Returns how many.
  (func (export "runs") (param $count i32) (param $out i32) (param $most i64) (result i32)
    (local $at i32) (local $end i32) (local $place i32) (local $sum i64) (local $hash i64)
    (local.set $end (i32.shl (local.get $count) (i32.const 2)))
    (local.set $place (local.get $out))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        ;; sum := sum · M + letter, and the letter that leaves the run is taken out, times M^20.
        (local.set $sum
          (i64.add
            (i64.mul (local.get $sum) (i64.const 6364136223846793005))
            (i64.load32_u (local.get $at))))
        (if (i32.ge_u (local.get $at) (i32.const 80))
          (then
            (local.set $sum
              (i64.sub
                (local.get $sum)
                (i64.mul
                  (i64.load32_u (i32.sub (local.get $at) (i32.const 80)))
                  (i64.const 14624333832639012945))))))
        (if (i32.ge_u (local.get $at) (i32.const 76))
          (then
            ;; SplitMix64's finaliser.
            (local.set $hash
              (i64.mul
                (i64.xor (local.get $sum) (i64.shr_u (local.get $sum) (i64.const 30)))
                (i64.const 0xbf58476d1ce4e5b9)))
            (local.set $hash
              (i64.mul
                (i64.xor (local.get $hash) (i64.shr_u (local.get $hash) (i64.const 27)))
                (i64.const 0x94d049bb133111eb)))
            (local.set $hash (i64.xor (local.get $hash) (i64.shr_u (local.get $hash) (i64.const 31))))
            (if (i64.le_u (local.get $hash) (local.get $most))
              (then
                (i64.store (local.get $place) (local.get $hash))
                (local.set $place (i32.add (local.get $place) (i32.const 8)))))))
        (local.set $at (i32.add (local.get $at) (i32.const 4)))
        (br $next)))
    (i32.shr_u (i32.sub (local.get $place) (local.get $out)) (i32.const 3))))
