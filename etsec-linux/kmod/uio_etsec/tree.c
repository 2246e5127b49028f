// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the device tree says of a controller: its register pages, its interrupts,
 * and the pages by which its PHY and its TBI are reached. It takes nodes as they
 * are for the kernel's own driver (HW 16).
 */
#include <linux/of.h>
#include <linux/of_address.h>
#include <linux/of_irq.h>

#include "uio_etsec.h"

/* Whose registers lie at 0x520 of their page (HW 16.1, 16.2). */
static const struct of_device_id mdio_ids[] = {
	{ .compatible = "fsl,etsec2-mdio" },
	{ .compatible = "fsl,etsec2-tbi" },
	{ .compatible = "fsl,gianfar-mdio" },
	{ .compatible = "fsl,gianfar-tbi" },
	{ .type = "mdio", .compatible = "gianfar" },
	{ }
};

/**
 * etsec_add_map - add a map to the UIO device
 * @etsec:	the controller
 * @name:	its name
 * @addr:	its address, of whole pages
 * @size:	its length in bytes
 *
 * Return: the map, or NULL if there are as many as UIO can have.
 */
struct uio_mem *etsec_add_map(struct etsec *etsec, const char *name,
			      phys_addr_t addr, resource_size_t size)
{
	struct uio_mem *map;

	if (etsec->maps == MAX_UIO_MAPS)
		return NULL;
	map = &etsec->info.mem[etsec->maps++];
	map->name = name;
	map->addr = addr;
	map->size = size;
	map->memtype = UIO_MEM_PHYS;
	return map;
}

/* What users call it: by the board's numbering where there is one. */
static const char *etsec_name(struct device *dev, phys_addr_t regs)
{
	int id = of_alias_get_id(dev->of_node, "ethernet");
	const char *name;

	if (!of_property_read_string(dev->of_node, "linux,uio-name", &name))
		return name;
	if (id >= 0)
		return devm_kasprintf(dev, GFP_KERNEL, "eth%d", id);
	return devm_kasprintf(dev, GFP_KERNEL, "ethernet@%llx",
			      (unsigned long long)regs);
}

/* Takes the registers and finds the interrupts of one group. */
static int etsec_add_group(struct etsec *etsec, struct device_node *np)
{
	unsigned int line, group = etsec->groups;
	struct device *dev = etsec->dev;
	struct resource res;
	int ret;

	ret = of_address_to_resource(np, 0, &res);
	if (ret)
		return dev_err_probe(dev, ret, "%pOF: no registers\n", np);
	if (!IS_ALIGNED(res.start, PAGE_SIZE) || resource_size(&res) < ETSEC_PAGE)
		return dev_err_probe(dev, -EINVAL, "%pOF: %pR is no page\n", np,
				     &res);
	res.end = res.start + ETSEC_PAGE - 1;
	etsec->regs[group] = devm_ioremap_resource(dev, &res);
	if (IS_ERR(etsec->regs[group]))
		return PTR_ERR(etsec->regs[group]);

	if (group == 0) {
		etsec->info.name = etsec_name(dev, res.start);
		if (!etsec->info.name)
			return -ENOMEM;
	}
	for (line = 0; line < ETSEC_LINES; line++) {
		ret = of_irq_get(np, line);
		if (ret <= 0)
			return dev_err_probe(dev, ret ?: -ENXIO,
					     "%pOF: no interrupt %u of TX, RX, ERR\n",
					     np, line);
		ret = etsec_add_line(etsec, group, line, ret);
		if (ret)
			return ret;
	}
	etsec->groups++;
	if (!etsec_add_map(etsec, group ? "group1" : "regs", res.start, ETSEC_PAGE))
		return -ENOSPC;
	return 0;
}

static bool etsec_is_before(struct device_node *a, struct device_node *b)
{
	struct resource first, second;

	return !of_address_to_resource(a, 0, &first) &&
	       !of_address_to_resource(b, 0, &second) &&
	       first.start < second.start;
}

/*
 * Adds the groups of a node that has them in children. The first group is the
 * one with the lower address, as in all parts (HW 1.3): overlays put children in
 * any order.
 */
static int etsec_add_groups(struct etsec *etsec)
{
	struct device_node *child, *nodes[ETSEC_GROUPS];
	unsigned int i, count = 0;
	int ret = 0;

	for_each_available_child_of_node(etsec->dev->of_node, child) {
		if (!of_node_name_eq(child, "queue-group"))
			continue;
		if (count == ETSEC_GROUPS) {
			dev_err(etsec->dev, "%pOF: one queue-group too many\n",
				child);
			of_node_put(child);
			ret = -EINVAL;
			break;
		}
		nodes[count++] = of_node_get(child);
	}
	if (count == 2 && etsec_is_before(nodes[1], nodes[0]))
		swap(nodes[0], nodes[1]);
	for (i = 0; i < count; i++) {
		if (!ret)
			ret = etsec_add_group(etsec, nodes[i]);
		of_node_put(nodes[i]);
	}
	return ret;
}

/*
 * Adds the page of the MII management registers of the bus on which the PHY is
 * that @property points to. Several controllers have PHYs on one bus, and the
 * kernel may have a driver for it: the page is mapped, not claimed.
 */
static int etsec_add_mdio(struct etsec *etsec, const char *property,
			  const char *name)
{
	struct device_node *phy, *bus;
	struct resource res;
	phys_addr_t page;
	int ret = 0;

	phy = of_parse_phandle(etsec->dev->of_node, property, 0);
	if (!phy)
		return 0;
	bus = of_get_parent(phy);
	of_node_put(phy);
	if (!of_match_node(mdio_ids, bus)) {
		dev_warn(etsec->dev, "%pOF is no MDIO bus of an eTSEC\n", bus);
		goto out;
	}
	ret = of_address_to_resource(bus, 0, &res);
	if (ret) {
		dev_err(etsec->dev, "%pOF: no registers\n", bus);
		goto out;
	}
	page = res.start & PAGE_MASK;
	/* Without the map they are in the page of the MAC (HW 1.2). */
	if (page == etsec->info.mem[0].addr)
		goto out;
	if (!etsec_add_map(etsec, name, page, ETSEC_PAGE))
		ret = -ENOSPC;
out:
	of_node_put(bus);
	return ret;
}

/**
 * etsec_read_tree - take what the node of the controller offers
 * @etsec:	the controller, of which nothing but the device is known
 *
 * Return: 0, or a negative error code.
 */
int etsec_read_tree(struct etsec *etsec)
{
	struct device_node *np = etsec->dev->of_node;
	const char *model;
	int ret;

	/* Its ancestors go by the same name and lack most of it (HW 1.5). */
	if (!of_property_read_string(np, "model", &model) &&
	    strcasecmp(model, "eTSEC")) {
		dev_info(etsec->dev, "a %s is no eTSEC\n", model);
		return -ENODEV;
	}
	ret = etsec_add_groups(etsec);
	if (ret)
		return ret;
	/* Parts with one group have it in the node itself. */
	if (!etsec->groups) {
		ret = etsec_add_group(etsec, np);
		if (ret)
			return ret;
	}
	ret = etsec_add_mdio(etsec, "phy-handle", "mdio");
	if (ret)
		return ret;
	return etsec_add_mdio(etsec, "tbi-handle", "tbi");
}
