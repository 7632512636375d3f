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
