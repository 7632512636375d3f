#include "textflag.h"

// Poly1305 of four blocks at a time: the registers Y0 to Y4 have the limbs of 26 bits, from the lowest
// on, of four sums. Each power of r stands in memory as its limbs r0 to r4 and five times the upper
// ones, s1 to s4, each four times.
#define R0(p) 0(p)
#define R1(p) 32(p)
#define R2(p) 64(p)
#define R3(p) 96(p)
#define R4(p) 128(p)
#define S1(p) 160(p)
#define S2(p) 192(p)
#define S3(p) 224(p)
#define S4(p) 256(p)

// LOAD makes limbs of the four blocks at DI+o, the lanes of which are the blocks 0, 2, 1 and 3.
#define LOAD(o, m0, m1, m2, m3, m4) \
	VMOVDQU     o(DI), m0;      \
	VMOVDQU     (o+32)(DI), m1; \
	VPUNPCKHQDQ m1, m0, m4;     \
	VPUNPCKLQDQ m1, m0, m0;     \
	VPSRLQ      $26, m0, m1;    \
	VPSRLQ      $52, m0, m2;    \
	VPSLLQ      $12, m4, m3;    \
	VPOR        m3, m2, m2;     \
	VPSRLQ      $14, m4, m3;    \
	VPSRLQ      $40, m4, m4;    \
	VPAND       Y15, m0, m0;    \
	VPAND       Y15, m1, m1;    \
	VPAND       Y15, m2, m2;    \
	VPAND       Y15, m3, m3;    \
	VPOR        Y14, m4, m4

// MUL is d0 to d4 = h * p for a limb h, and MULADD adds that to them.
#define MUL(h, p0, p1, p2, p3, p4) \
	VPMULUDQ p0, h, Y5; \
	VPMULUDQ p1, h, Y6; \
	VPMULUDQ p2, h, Y7; \
	VPMULUDQ p3, h, Y8; \
	VPMULUDQ p4, h, Y9

#define MULADD(h, p0, p1, p2, p3, p4) \
	VPMULUDQ p0, h, Y10;   \
	VPMULUDQ p1, h, Y11;   \
	VPMULUDQ p2, h, Y12;   \
	VPADDQ   Y10, Y5, Y5;  \
	VPMULUDQ p3, h, Y10;   \
	VPADDQ   Y11, Y6, Y6;  \
	VPMULUDQ p4, h, Y11;   \
	VPADDQ   Y12, Y7, Y7;  \
	VPADDQ   Y10, Y8, Y8;  \
	VPADDQ   Y11, Y9, Y9

// CARRY moves what is above 26 bits of a to b.
#define CARRY(a, b, t) \
	VPSRLQ $26, a, t;   \
	VPAND  Y15, a, a;   \
	VPADDQ t, b, b

// func polyBlocks8(sums *[5][4]uint64, powers *[2][9][4]uint64, msg *byte, n int)
TEXT ·polyBlocks8(SB), NOSPLIT, $0-32
	MOVQ sums+0(FP), DX
	MOVQ powers+8(FP), SI
	MOVQ msg+16(FP), DI
	MOVQ n+24(FP), CX
	LEAQ 288(SI), BX
	MOVQ $0x3ffffff, AX
	MOVQ AX, X15
	VPBROADCASTQ X15, Y15
	MOVQ $0x1000000, AX
	MOVQ AX, X14
	VPBROADCASTQ X14, Y14
	VMOVDQU 0(DX), Y0
	VMOVDQU 32(DX), Y1
	VMOVDQU 64(DX), Y2
	VMOVDQU 96(DX), Y3
	VMOVDQU 128(DX), Y4

loop:
	// sums * r^8
	MUL(Y0, R0(SI), R1(SI), R2(SI), R3(SI), R4(SI))
	MULADD(Y1, S4(SI), R0(SI), R1(SI), R2(SI), R3(SI))
	MULADD(Y2, S3(SI), S4(SI), R0(SI), R1(SI), R2(SI))
	MULADD(Y3, S2(SI), S3(SI), S4(SI), R0(SI), R1(SI))
	MULADD(Y4, S1(SI), S2(SI), S3(SI), S4(SI), R0(SI))
	// + blocks * r^4
	LOAD(0, Y0, Y1, Y2, Y3, Y4)
	MULADD(Y0, R0(BX), R1(BX), R2(BX), R3(BX), R4(BX))
	MULADD(Y1, S4(BX), R0(BX), R1(BX), R2(BX), R3(BX))
	MULADD(Y2, S3(BX), S4(BX), R0(BX), R1(BX), R2(BX))
	MULADD(Y3, S2(BX), S3(BX), S4(BX), R0(BX), R1(BX))
	MULADD(Y4, S1(BX), S2(BX), S3(BX), S4(BX), R0(BX))
	// + blocks
	LOAD(64, Y0, Y1, Y2, Y3, Y4)
	CARRY(Y5, Y6, Y10)
	CARRY(Y8, Y9, Y11)
	CARRY(Y6, Y7, Y10)
	VPSRLQ $26, Y9, Y11
	VPAND  Y15, Y9, Y9
	VPADDQ Y11, Y5, Y5
	VPSLLQ $2, Y11, Y11
	VPADDQ Y11, Y5, Y5
	CARRY(Y7, Y8, Y10)
	CARRY(Y5, Y6, Y11)
	CARRY(Y8, Y9, Y10)
	VPADDQ Y5, Y0, Y0
	VPADDQ Y6, Y1, Y1
	VPADDQ Y7, Y2, Y2
	VPADDQ Y8, Y3, Y3
	VPADDQ Y9, Y4, Y4
	ADDQ $128, DI
	DECQ CX
	JNE loop

	VMOVDQU Y0, 0(DX)
	VMOVDQU Y1, 32(DX)
	VMOVDQU Y2, 64(DX)
	VMOVDQU Y3, 96(DX)
	VMOVDQU Y4, 128(DX)
	VZEROUPPER
	RET

// The same of eight blocks at a time in limbs of 44 bits, with the multiplication of 52 bits: Z0 to Z2 have the
// eight sums, Z3 to Z5 the lower halves of their products and Z6 to Z8 the upper ones. Each power of r stands in
// memory as r0 to r2 and twenty times the upper ones, s1 and s2, and then in registers, each eight times.

// LOAD512 makes limbs of the eight blocks at DI+o, the lanes of which are the blocks 0, 4, 1, 5, 2, 6, 3 and 7.
#define LOAD512(o, m0, m1, m2) \
	VMOVDQU64   o(DI), m0;      \
	VMOVDQU64   (o+64)(DI), m1; \
	VPUNPCKHQDQ m1, m0, m2;     \
	VPUNPCKLQDQ m1, m0, m0;     \
	VPSRLQ      $44, m0, m1;    \
	VPSLLQ      $20, m2, Z9;    \
	VPORQ       Z9, m1, m1;     \
	VPANDQ      Z31, m0, m0;    \
	VPANDQ      Z31, m1, m1;    \
	VPSRLQ      $24, m2, m2;    \
	VPORQ       Z29, m2, m2

// MULADD512 adds h * p for a limb h.
#define MULADD512(h, p0, p1, p2) \
	VPMADD52LUQ p0, h, Z3; \
	VPMADD52LUQ p1, h, Z4; \
	VPMADD52LUQ p2, h, Z5; \
	VPMADD52HUQ p0, h, Z6; \
	VPMADD52HUQ p1, h, Z7; \
	VPMADD52HUQ p2, h, Z8

// func polyBlocks16(sums *[3][8]uint64, powers *[2][5]uint64, msg *byte, n int)
TEXT ·polyBlocks16(SB), NOSPLIT, $0-32
	MOVQ sums+0(FP), DX
	MOVQ powers+8(FP), SI
	MOVQ msg+16(FP), DI
	MOVQ n+24(FP), CX
	MOVQ $0xfffffffffff, AX
	VPBROADCASTQ AX, Z31
	MOVQ $0x3ffffffffff, AX
	VPBROADCASTQ AX, Z30
	MOVQ $0x10000000000, AX
	VPBROADCASTQ AX, Z29
	VPBROADCASTQ 0(SI), Z16 // r^16
	VPBROADCASTQ 8(SI), Z17
	VPBROADCASTQ 16(SI), Z18
	VPBROADCASTQ 24(SI), Z19
	VPBROADCASTQ 32(SI), Z20
	VPBROADCASTQ 40(SI), Z21 // r^8
	VPBROADCASTQ 48(SI), Z22
	VPBROADCASTQ 56(SI), Z23
	VPBROADCASTQ 64(SI), Z24
	VPBROADCASTQ 72(SI), Z25
	VMOVDQU64 0(DX), Z0
	VMOVDQU64 64(DX), Z1
	VMOVDQU64 128(DX), Z2

loop:
	VPXORQ Z3, Z3, Z3
	VPXORQ Z4, Z4, Z4
	VPXORQ Z5, Z5, Z5
	VPXORQ Z6, Z6, Z6
	VPXORQ Z7, Z7, Z7
	VPXORQ Z8, Z8, Z8
	// blocks * r^8
	LOAD512(0, Z10, Z11, Z12)
	MULADD512(Z10, Z21, Z22, Z23)
	MULADD512(Z11, Z25, Z21, Z22)
	MULADD512(Z12, Z24, Z25, Z21)
	// + sums * r^16
	MULADD512(Z0, Z16, Z17, Z18)
	MULADD512(Z1, Z20, Z16, Z17)
	MULADD512(Z2, Z19, Z20, Z16)
	// + blocks
	LOAD512(128, Z0, Z1, Z2)
	VPSLLQ $8, Z6, Z6     // 2^52 is 2^8 in the next limb
	VPSLLQ $8, Z7, Z7
	VPSLLQ $10, Z8, Z8    // and 2^10 above 2^130
	VPADDQ Z6, Z4, Z4
	VPADDQ Z7, Z5, Z5
	VPSRLQ $44, Z3, Z9
	VPANDQ Z31, Z3, Z3
	VPADDQ Z9, Z4, Z4
	VPSRLQ $44, Z4, Z9
	VPANDQ Z31, Z4, Z4
	VPADDQ Z9, Z5, Z5
	VPSRLQ $42, Z5, Z9
	VPANDQ Z30, Z5, Z5
	VPADDQ Z9, Z8, Z8
	VPSLLQ $2, Z8, Z9
	VPADDQ Z8, Z3, Z3     // 2^130 is 5
	VPADDQ Z9, Z3, Z3
	VPSRLQ $44, Z3, Z9
	VPANDQ Z31, Z3, Z3
	VPADDQ Z9, Z4, Z4
	VPADDQ Z3, Z0, Z0
	VPADDQ Z4, Z1, Z1
	VPADDQ Z5, Z2, Z2
	ADDQ $256, DI
	DECQ CX
	JNE loop

	VMOVDQU64 Z0, 0(DX)
	VMOVDQU64 Z1, 64(DX)
	VMOVDQU64 Z2, 128(DX)
	VPXORQ Z16, Z16, Z16
	VPXORQ Z17, Z17, Z17
	VPXORQ Z18, Z18, Z18
	VPXORQ Z19, Z19, Z19
	VPXORQ Z20, Z20, Z20
	VPXORQ Z21, Z21, Z21
	VPXORQ Z22, Z22, Z22
	VPXORQ Z23, Z23, Z23
	VPXORQ Z24, Z24, Z24
	VPXORQ Z25, Z25, Z25
	VZEROALL
	RET
